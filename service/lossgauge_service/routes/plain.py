"""Routes whose endpoints are handed the request as it is."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class Plain(APIRoute):
    """A route of an endpoint that takes the request and gives the response.

    Nothing is injected, and nothing made of what it returns, which would take as long as a short score: it has no dependencies.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint."""
        assert not self.dependencies, f"{self.path} would do without its dependencies"
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler
