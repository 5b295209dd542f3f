"""Answers of a service that is being stopped: each is the last of its connection, so that its caller goes elsewhere with the next."""

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lossgauge_service.errors import Draining
from lossgauge_service.lines import abort
from lossgauge_service.readiness import RETRY_WHEN_DRAINING_S
from lossgauge_service.service import Service


class Leaving:
    """ASGI middleware: while the service drains, whatever it answers has `Connection: close`; what it gives up is told so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        started = False

        async def send_and_leave(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start" and service.admission.draining:
                MutableHeaders(scope=message)["Connection"] = "close"
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_leave)
        except asyncio.CancelledError:
            if not service.admission.draining:
                raise
            if started:
                await _break_off(scope)
            else:
                await _give_up(service, scope, receive, send_and_leave)


async def _give_up(service: Service, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell a caller whose request has taken longer than the service may go on."""
    late = Draining("the service was stopped before the request was done", retry_after=RETRY_WHEN_DRAINING_S)
    answer = await service.problems.on_error(Request(scope), late)
    await answer(scope, receive, send)


async def _break_off(scope: Scope) -> None:
    """Close the connection of an answer that will not be whole."""
    scope["state"]["outcome"] = Draining.code
    abort(scope)
    await asyncio.sleep(0)  # in which the server learns of it
