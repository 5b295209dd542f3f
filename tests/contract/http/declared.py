"""Which statuses the OpenAPI document declares, and whether an answer has one of them."""

import re
from collections.abc import Mapping
from functools import cache

import httpx
from lossgauge_service.app import create_app
from lossgauge_service.settings import Settings


@cache
def declared() -> Mapping[tuple[str, str], frozenset[int]]:
    """The statuses of each operation, by its method and its path as a pattern."""
    paths = create_app(Settings()).openapi()["paths"]
    return {
        (method.upper(), re.sub(r"\{\w+\}", "[^/]+", path)): frozenset(map(int, operation["responses"]))
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def is_declared(method: str, path: str, status: int) -> bool:
    """Whether a status is one that the document names for a route; whatever is no operation of it may have any."""
    asked = "GET" if method == "HEAD" else method
    found = [statuses for (one, route), statuses in declared().items() if one == asked and re.fullmatch(route, path)]
    return all(status in statuses for statuses in found)


async def check_declared(response: httpx.Response) -> None:
    """Hook of a client: every problem that a route answers is declared for it."""
    if response.headers.get("content-type") == "application/problem+json":
        method, path = response.request.method, response.request.url.path
        assert is_declared(method, path, response.status_code), f"{method} {path}: {response.status_code}"
