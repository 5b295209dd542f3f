"""Answers of a service that is being stopped: each is the last of its connection, so that its caller goes elsewhere with the next."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lossgauge_service.service import Service


class Leaving:
    """ASGI middleware: while the service drains, whatever it answers has `Connection: close`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        service: Service = scope["app"].state.service

        async def send_and_leave(message: Message) -> None:
            if message["type"] == "http.response.start" and service.admission.draining:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self.app(scope, receive, send_and_leave)
