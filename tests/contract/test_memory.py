"""The bytes that one request takes, counted in process: what Python and NumPy allocate, beside the request's body."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from lossgauge import Client
from lossgauge import metrics as m
from lossgauge.bodies import body_kind
from lossgauge.calls import Call, question, score_call
from lossgauge.packets import Packets
from lossgauge.splitting import Part, pieces
from lossgauge_service.app import create_app
from lossgauge_service.engine import Engine
from lossgauge_service.settings import Settings
from starlette.types import Message

CHUNK = 2**16
WARM = 2
SETTLED_S = 0.2
ASKED = question([m.FocalLoss(), m.Dice(), m.Iou()], task="binary", prediction_kind="logits")
MOST: Mapping[str, float] = {"safetensors": 1.3, "multipart": 1.3, "npy": 2.4, "raw": 2.4}
"""Of one pair: the body itself, which growing has some bytes to spare; of JSON the texts too, or what they decode to."""
MOST_OF_MANY: Mapping[str, float] = {"safetensors": 1.3, "multipart": 2.4, "npy": 2.4, "raw": 2.4}
"""Of many small pairs, which only a body that has them side by side saves from being copied together."""

LEFT = 0.1


class Bytes(NamedTuple):
    """What a request takes at most, and what is left of it once it is answered; each over its body."""

    peak: float
    left: float


def masks(*shape: int) -> tuple[Any, Any]:
    """Logits and labels."""
    rng = np.random.default_rng(5)
    return rng.normal(size=shape).astype(np.float32), rng.integers(0, 2, shape, np.uint8)


def of_one(encoding: str) -> Call:
    """One pair of 2 Mpx."""
    prediction, target = masks(1024, 2048)
    return score_call(body_kind(encoding), ASKED, {"prediction": prediction, "target": target}).kept()


def of_many(encoding: str) -> Call:
    """As many pixels in small pairs."""
    items = [{"prediction": x, "target": t} for x, t in zip(*masks(128, 128, 128), strict=True)]
    [part] = pieces(items, ASKED, body_kind(encoding), Settings().limits)
    assert isinstance(part, Part)
    return part.call.kept()


@asynccontextmanager
async def ready(engine: Engine) -> AsyncIterator[Any]:
    """The application, warm."""
    app = create_app(Settings(), engine)
    async with app.router.lifespan_context(app):
        while app.state.service.readiness.obstacle is not None:
            await asyncio.sleep(SETTLED_S)
        yield app


async def post(app: Any, call: Call) -> int:
    """The status of its answer; the body comes in chunks."""
    messages, statuses = messages_of(call.content or b""), list[int]()

    async def receive() -> Message:
        for message in messages:
            return message
        await asyncio.Event().wait()  # the caller stays
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope_of(call), receive, send)
    return statuses[0]


def messages_of(content: bytes) -> Iterator[Message]:
    """A body as it arrives."""
    for start in range(0, len(content), CHUNK):
        yield {"type": "http.request", "body": content[start : start + CHUNK], "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


def scope_of(call: Call) -> dict[str, Any]:
    """The scope of a request over HTTP."""
    headers = {**call.headers, "Content-Length": str(len(call.content or b""))}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": call.method,
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "state": {},
    }


@contextmanager
def counted() -> Iterator[None]:
    """Count what is allocated; nothing is collected that only the garbage collector finds."""
    gc.disable()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.enable()


async def taken(engine: Engine, call: Call) -> Bytes:
    """What the last of a few equal requests takes."""
    async with ready(engine) as app:
        for _ in range(WARM):
            assert await post(app, call) == 200
        gc.collect()
        with counted():
            before, _ = tracemalloc.get_traced_memory()
            assert await post(app, call) == 200
            await asyncio.sleep(SETTLED_S)
            left, peak = tracemalloc.get_traced_memory()
    size = len(call.content or b"")
    return Bytes((peak - before) / size, (left - before) / size)


@pytest.mark.parametrize("encoding", MOST)
def test_the_bytes_of_one_pair(engine: Engine, encoding: str) -> None:
    """A pair is read where its body lies: no array is copied, and nothing of a request outlives it."""
    found = asyncio.run(taken(engine, of_one(encoding)))
    assert found.peak < MOST[encoding]
    assert found.left < LEFT


@pytest.mark.parametrize("encoding", MOST_OF_MANY)
def test_the_bytes_of_many_pairs(engine: Engine, encoding: str) -> None:
    """Small pairs are copied at most once, side by side, and nothing of a request outlives it."""
    found = asyncio.run(taken(engine, of_many(encoding)))
    assert found.peak < MOST_OF_MANY[encoding]
    assert found.left < LEFT


def test_a_client_keeps_nothing_of_a_call(client: Client) -> None:
    """Neither the body that was sent nor the response is left for the garbage collector to find."""
    asked: Any = {"prediction_kind": "labels", "metrics": "dice"}
    client.score([[1]], [[1]], **asked)
    gc.collect()
    with counted():
        before = _ids()  # another test may have kept some
        client.score([[1]], [[1]], **asked)
        assert _ids() <= before


def _ids() -> set[int]:
    return {id(found) for found in gc.get_objects() if type(found) in (Packets, httpx.Response)}
