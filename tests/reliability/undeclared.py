"""The service with a defect planted: a status that its document does not name. So that schemathesis is seen to find one."""

from lossgauge_service import __main__ as command
from lossgauge_service import app
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUTE = "/v1/presets/"
DECLARED, UNDECLARED = 404, 410


class Undeclared:
    """ASGI middleware that answers one status in place of another."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def changed(message: Message) -> None:
            if message.get("status") == DECLARED and scope["path"].startswith(ROUTE):
                message["status"] = UNDECLARED
            await send(message)

        await self.app(scope, receive, changed)


if __name__ == "__main__":
    app.MIDDLEWARE = (*app.MIDDLEWARE, Middleware(Undeclared))  # type: ignore[assignment]
    command.main()
