"""One service in memory, one with small caps, and one behind a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from lossgauge_service.app import create_app
from lossgauge_service.engine import Engine
from lossgauge_service.settings import Settings

from tests.contract.http.declared import check_declared
from tests.contract.http.streaming import listening

Document = dict[str, Any]
Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

SMALL_CAPS = {
    "body_bytes": 20_000,
    "inflated_bytes": 30_000,
    "document_bytes": 2_000,
    "header_bytes": 200,
    "array_elements": 64,
    "map_elements": 128,
    "list_elements": 32,
    "image_pixels": 64,
    "dimensions": 3,
    "items": 3,
    "parts": 3,
    "classes": 4,
    "metrics": 3,
    "json_depth": 6,
    "json_values": 200,
    "json_members": 40,
}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop library, and one loop for the session's services."""
    return "asyncio"


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The CPU engine, which needs no compiler."""
    return Engine.build("cpu", "eager")


@pytest.fixture(scope="session")
def serving(engine: Engine) -> Serving:
    """Runs a service in memory and gives a client of it, which holds each problem to the OpenAPI document."""

    @asynccontextmanager
    async def serve(given: Engine = engine, /, *, warm: bool = True, **caps: int) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(Settings.model_validate(caps), given)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        hooks = {"response": [check_declared]}
        client = httpx.AsyncClient(transport=transport, base_url="http://lossgauge.test", event_hooks=hooks)
        async with app.router.lifespan_context(app), client:
            while warm and (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.01)
            yield client

    return serve


@pytest.fixture(scope="session")
async def client(serving: Serving, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with the default caps."""
    async with serving() as client:
        yield client


@pytest.fixture(scope="session")
async def small(serving: Serving, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service whose every cap is small."""
    async with serving(**SMALL_CAPS) as client:
        yield client


@pytest.fixture(scope="session")
def address(engine: Engine) -> Iterator[tuple[str, int]]:
    """Host and port of a service behind a real socket."""
    with listening(engine, **SMALL_CAPS) as service:
        yield service.host, service.port


@pytest.fixture(scope="session")
def pair() -> Document:
    """A prediction and its target, two by two."""
    return {
        "prediction": {"encoding": "list", "data": [[0.9, 0.2], [0.7, 0.4]]},
        "target": {"encoding": "list", "data": [[1, 0], [1, 1]]},
    }


@pytest.fixture(scope="session")
def question() -> Document:
    """What is asked of a pair."""
    return {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice"]}


@pytest.fixture(scope="session")
def score_request(pair: Document, question: Document) -> Document:
    """A request of one pair, whose dice is 0.8."""
    return {**question, **pair}
