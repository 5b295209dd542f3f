"""The service with a leak planted: it keeps a little of every request. So that the test of memory is seen to fail."""

from typing import Any

from lossgauge_service import __main__ as command
from lossgauge_service import app
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAK = 4096


class Leak:
    """ASGI middleware that never forgets."""

    kept: list[Any] = []  # noqa: RUF012 the leak

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and keep some bytes."""
        self.kept.append(bytearray(b"x" * LEAK))
        await self.app(scope, receive, send)


if __name__ == "__main__":
    app.MIDDLEWARE = (*app.MIDDLEWARE, Middleware(Leak))  # type: ignore[assignment]
    command.main()
