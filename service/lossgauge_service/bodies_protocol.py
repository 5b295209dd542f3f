"""HTTP/1.1 whose long bodies are written by the socket where they lie, past the parser."""

import asyncio
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from lossgauge_service.filling import INTO, Filling, Moved, unheard
from lossgauge_service.http_protocol import BoundedHeaders


class BodiesInPlace(BoundedHeaders):
    """Lets the application have a body written into a buffer of its own.

    The parser stands in the middle of the body from then on, and what comes is not for it: first the rest of the body, of which
    `_missing_bytes` are left where the application gave it up; behind that a new parser begins with the next request.
    """

    _missing_bytes = 0

    def on_headers_complete(self) -> None:
        """Its headers end."""
        super().on_headers_complete()
        if not self._is_offered:
            self._offer_to_fill()

    def _feed(self, data: memoryview) -> None:
        super()._feed(self._without_missing(data))

    def _offer_to_fill(self) -> None:
        """Let the application have a body written into a buffer where its length is told, and it comes unasked."""
        if not self.expect_100_continue and all(name != b"transfer-encoding" for name, _ in self.headers):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[INTO] = partial(self._fill, self.cycle)

    async def _fill(self, cycle: RequestResponseCycle, room: memoryview, idle_s: float, moved: Moved = unheard) -> int:
        """See `Fill`."""
        came, cycle.body = cycle.body, bytearray()
        room[: len(came)] = came
        moved(len(came))
        cycle.message_event.clear()
        if cycle.disconnected or self.transport.is_closing() or not cycle.more_body:
            return len(came)
        filling = Filling(self, room[len(came) :], moved, self.flow.pause_reading)
        self._read_by(filling)
        try:
            await filling.over(idle_s)
        finally:
            self._go_on_behind(cycle, filling.missing)
            filling.let_go()
        return len(came) + filling.filled

    def _go_on_behind(self, cycle: RequestResponseCycle, missing: int) -> None:
        """Read what comes behind a body, or behind what is missing of it."""
        self._missing_bytes = missing
        if not missing:
            self._end_body(cycle)
        if not self.transport.is_closing():
            self._read_by(self)

    def _read_by(self, protocol: asyncio.BaseProtocol) -> None:
        # paused and resumed: a full room has paused it, and a transport that reads may have chosen how it hands that over
        self.flow.pause_reading()
        self.transport.set_protocol(protocol)
        self.flow.resume_reading()

    def _end_body(self, cycle: RequestResponseCycle) -> None:
        self._in_body = False
        cycle.more_body = False
        self.parser = self._new_parser()

    def _without_missing(self, data: memoryview) -> memoryview:
        """What comes behind a body that is not wanted any more, of which only little is taken."""
        rest = data[: self._missing_bytes]
        if rest:
            self._missing_bytes -= len(rest)
            self._heard = True
            self._forget(len(rest))
            if not self._missing_bytes:
                self._end_body(self.cycle)
        return data[len(rest) :]

    def _forget(self, size: int) -> None:
        if self.cycle.response_complete:
            self._skip(size)
        else:
            self.flow.pause_reading()  # until there is an answer
