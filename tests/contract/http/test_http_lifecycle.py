"""Alive, ready, warming up, broken; and what a fault of the service looks like."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from lossgauge_service import service
from lossgauge_service.engine import Engine
from lossgauge_service.fitness import PREDICTION, TARGET
from lossgauge_service.outcomes import Outcomes

pytestmark = pytest.mark.anyio
Document = dict[str, Any]


@dataclass(frozen=True)
class Slow(Engine):
    """Warms up when it is let."""

    let: threading.Event = field(default_factory=threading.Event)

    def warm_up(self) -> None:
        self.let.wait()


@dataclass(frozen=True)
class Broken(Engine):
    """Cannot be warmed up."""

    def warm_up(self) -> None:
        raise RuntimeError("no compiler\nat all")


@dataclass(frozen=True)
class Faulty(Engine):
    """Fails in the middle of a pass, but for as many pixels as a device is tried with."""

    def launch(self, batch: Any) -> Outcomes:
        if any(sample.elements != PREDICTION.size for part in batch.parts for sample in part.samples.values()):
            raise ZeroDivisionError("a secret of the house")
        return super().launch(batch)


@dataclass(frozen=True)
class Breaking(Engine):
    """Fails at everything while it is broken."""

    broken: threading.Event = field(default_factory=threading.Event)

    def launch(self, batch: Any) -> Outcomes:
        if self.broken.is_set():
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with ..")
        return super().launch(batch)


@pytest.fixture
def slow(engine: Engine) -> Iterator[Slow]:
    """An engine that is warming up until it is let."""
    slow = Slow(engine.device, engine.kernels, engine.info)
    yield slow
    slow.let.set()


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    """A warm service is alive and ready."""
    assert (await client.get("/health/live")).json() == {"live": True}
    assert (await client.get("/health/ready")).json() == {"ready": True, "reason": None}


@pytest.mark.parametrize(
    "path",
    ["/", "/health/live", "/health/ready", "/v1/limits", "/v1/metrics", "/v1/metrics/dice", "/docs", "/openapi.json"],
)
async def test_head_is_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    """What a probe asks by HEAD has the status and the headers of GET, and no body."""
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    differ = ("x-request-id",)
    assert {key: value for key, value in head.headers.items() if key not in differ} == {
        key: value for key, value in got.headers.items() if key not in differ
    }


async def test_head_of_what_is_not_there(client: httpx.AsyncClient) -> None:
    """HEAD is refused as GET is."""
    answers = [await client.head(path) for path in ("/nothing", "/v1/score")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(404, b""), (405, b"")]


async def test_warming_up(serving: Any, slow: Slow, score_request: Document) -> None:
    """While warming up the service is alive, not ready, and refuses to score for now; then it scores."""
    async with serving(slow, warm=False) as client:
        ready, answer = await client.get("/health/ready"), await client.post("/v1/score", json=score_request)
        assert (await client.get("/health/live")).status_code == 200
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert (answer.status_code, answer.json()["code"]) == (503, "warming_up")
        assert int(ready.headers["retry-after"]) == int(answer.headers["retry-after"]) > 0
        slow.let.set()
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.01)
        assert (await client.post("/v1/score", json=score_request)).status_code == 200


async def test_broken(serving: Any, engine: Engine, score_request: Document) -> None:
    """An engine that cannot be warmed up leaves the service alive, not ready with the reason, and scoring refused."""
    async with serving(Broken(engine.device, engine.kernels, engine.info), warm=False) as client:
        while "broken" not in (ready := await client.get("/health/ready")).json()["reason"]:
            await asyncio.sleep(0.01)
        answer = await client.post("/v1/score/batch", json=score_request)
        assert ready.json() == {"ready": False, "reason": "the engine is broken: RuntimeError: no compiler"}
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert (await client.get("/health/live")).status_code == 200


async def test_a_device_that_breaks_and_works_again(
    serving: Any, engine: Engine, score_request: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds the device broken, and all after that, are 503; so is readiness, with the reason, until the device works again."""
    monkeypatch.setattr(service, "TRIED_EVERY_S", 0.02)
    breaking = Breaking(engine.device, engine.kernels, engine.info)
    async with serving(breaking) as client:
        breaking.broken.set()
        answers = [await client.post("/v1/score", json=score_request) for _ in range(2)]
        ready = await client.get("/health/ready")
        reason = "the engine is broken: RuntimeError: CUDA error: an illegal memory access was encountered"
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "unavailable")] * 2
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "reason": reason})
        assert all(int(answer.headers["retry-after"]) > 0 for answer in (*answers, ready))
        breaking.broken.clear()
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.01)
        assert (await client.post("/v1/score", json=score_request)).status_code == 200


async def test_a_request_that_fails_breaks_nothing(serving: Any, engine: Engine, score_request: Document) -> None:
    """However often a request fails by itself, the service stays ready and scores others."""
    masks = {"prediction": PREDICTION.tolist(), "target": TARGET.tolist()}
    other = score_request | {name: {"encoding": "list", "data": data} for name, data in masks.items()}
    async with serving(Faulty(engine.device, engine.kernels, engine.info)) as client:
        answers = [await client.post("/v1/score", json=score_request) for _ in range(10)]
        assert {answer.status_code for answer in answers} == {500}
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.post("/v1/score", json=other)).status_code == 200


async def test_a_fault_of_the_service(serving: Any, engine: Engine, score_request: Document) -> None:
    """A fault is a 500 problem with the request's id and without internals, and the service goes on."""
    async with serving(Faulty(engine.device, engine.kernels, engine.info)) as client:
        answer = await client.post("/v1/score", json=score_request, headers={"X-Request-Id": "it-7"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == "it-7"
        assert "secret" not in answer.text
        assert (await client.get("/health/ready")).status_code == 200
