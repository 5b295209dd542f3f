"""The server: uvicorn's, which on SIGTERM finishes what it has accepted and refuses the rest."""

import logging
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lossgauge_service.admission import Admission
from lossgauge_service.bodies_protocol import BodiesInPlace
from lossgauge_service.listening import addresses_of, paths_of
from lossgauge_service.settings import Settings

log = logging.getLogger("lossgauge.server")


class Server(uvicorn.Server):
    """Drains before it exits, with status 0: new requests get 503, those that are being served have `grace_s` seconds to end.

    Those that have not ended then are given up (`leaving.py`). A second signal ends the draining, a third one everything.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, grace_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._grace_s = grace_s
        self._ends: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """The service serves from now on; where, and where to read on, is told."""
        await super().startup(sockets)
        for address in addresses_of(sockets or []):
            log.info("listening at %s, documentation at %s/docs, ready at %s/health/ready", *[address] * 3)
        for path in paths_of(sockets or []):
            log.info("listening at %s", path)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        admission = self._admission
        if self.should_exit:
            self.force_exit = True
        elif admission is None or self._ends is not None:
            self.should_exit = True
            self._ends = time.monotonic()
        else:
            admission.drain()
            self._ends = time.monotonic() + self._grace_s

    async def on_tick(self, counter: int) -> bool:
        """Whether it is over."""
        return await super().on_tick(counter) or self._is_drained()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is left: all within what is left of the grace time, a second at least for what is on its way out."""
        left = self._grace_s if self._ends is None else self._ends - time.monotonic()
        if left <= 0:
            self._give_up()
        self.config.timeout_graceful_shutdown = max(1, round(left))
        await super().shutdown(sockets)

    def _give_up(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()

    def _is_drained(self) -> bool:
        admission = self._admission
        if self._ends is None or admission is None:
            return False
        return admission.requests == 0 or time.monotonic() > self._ends

    @property
    def _admission(self) -> Admission | None:
        """None before the application has started."""
        service = getattr(self._app.state, "service", None)
        return None if service is None else service.admission


def server_of(app: FastAPI, settings: Settings) -> Server:
    """The server that the settings describe."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=BodiesInPlace,
        ws="none",
        server_header=False,
        # every request has a line of its own, and how lines are written is for the command to say
        access_log=False,
        log_config=None,
    )
    return Server(config, app, settings.grace_s)
