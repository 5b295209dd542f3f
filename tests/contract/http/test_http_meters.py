"""`GET /metrics` after traffic that is known: each metric says what happened."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
import torch
from lossgauge_service import admission
from lossgauge_service.engine import Engine
from lossgauge_service.engine.blocks import Kernel
from lossgauge_service.engine.kernels import Kernels

from tests.contract.http.scrape import Held, scraped, service_behind, until
from tests.contract.http.test_http_lifecycle import Faulty

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
SCORE, BATCH = "/v1/score", "/v1/score/batch"
HELD_S = 0.25
"""A bound of the histograms of durations."""


@pytest.fixture
def held(engine: Engine) -> Held:
    """An engine that is held."""
    return Held(engine.device, engine.kernels, engine.info)


class Scarce(Kernels):
    """Kernels of a device that has room for two tiles, or for none."""

    most = 2

    def _device_kernel(self, kernel: Kernel) -> Kernel:
        def scarce(x: torch.Tensor, *more: Any) -> torch.Tensor:
            if len(x) > self.most:
                raise torch.OutOfMemoryError
            return kernel(x, *more)

        return scarce


async def test_requests_and_pairs(serving: Any, score_request: Document, question: Document, pair: Document) -> None:
    """Requests are counted by route, outcome and reason, pairs by their own; what found no route is one route."""
    wrong = {**pair, "target": {"encoding": "list", "data": [[1, 0, 1]]}}
    async with serving() as client:
        for _ in range(2):
            await client.post(SCORE, json=score_request)
        await client.post(SCORE, json={**question, **wrong})
        await client.post(BATCH, json={**question, "items": [pair, wrong, pair]})
        for path in ("/nothing", "/nowhere/at/all"):
            await client.get(path)
        await client.get(SCORE)
        await client.head("/v1/limits")
        found = await scraped(client)
    success, failure = ({"outcome": outcome} for outcome in ("success", "failure"))
    assert found("requests_total", route=SCORE, reason="success", **success) == 2
    assert found("requests_total", route=SCORE, reason="shape_mismatch", **failure) == 1
    assert found("requests_total", route=SCORE, reason="method_not_allowed", **failure) == 1
    assert found("requests_total", route=BATCH, reason="success", **success) == 1
    assert found("requests_total", route="unmatched", reason="not_found", **failure) == 2
    assert found("requests_total", route="/v1/limits", reason="success", **success) == 1
    assert found("pairs_total", route=SCORE, reason="success", **success) == 2
    assert found("pairs_total", route=BATCH, reason="success", **success) == 2
    assert found("pairs_total", route=BATCH, reason="shape_mismatch", **failure) == 1
    assert found("request_duration_seconds_count", route=SCORE) == 4


async def test_durations_and_bytes(serving: Any, held: Held, score_request: Document) -> None:
    """Each step of a request is timed once, all of them fit its whole duration, the launch is in one; a body's bytes are counted."""
    body = httpx.Request("POST", "http://x", json=score_request).content
    async with serving(held) as client:
        first = asyncio.create_task(client.post(SCORE, json=score_request))
        await until(lambda: held.launches == [1])
        await asyncio.sleep(HELD_S)
        held.let.set()
        await first
        for _ in range(2):
            await client.post(SCORE, json=score_request)
        found = await scraped(client)
    steps = ("receive", "decode", "queue", "compute", "encode")
    assert [found(f"{step}_duration_seconds_count", route=SCORE) for step in steps] == [3] * 5
    sums = {step: found(f"{step}_duration_seconds_sum", route=SCORE) for step in steps}
    assert all(seconds > 0 for seconds in sums.values())
    assert sums["compute"] > HELD_S
    assert sum(sums.values()) <= found("request_duration_seconds_sum", route=SCORE)
    assert found("received_bytes_total", route=SCORE) == 3 * len(body)


async def test_batches(serving: Any, held: Held, question: Document, pair: Document) -> None:
    """Launches, their requests, pairs, tiles, elements and cost; what waits meanwhile, which is nothing in the end."""
    one, three = {**question, "items": [pair]}, {**question, "items": [pair] * 3}
    async with serving(held) as client:
        first = asyncio.create_task(client.post(BATCH, json=one))
        await until(lambda: held.launches == [1])
        second = asyncio.create_task(client.post(BATCH, json=one))
        await until(lambda: service_behind(client).batcher.queue_length == 1)
        rest = [asyncio.create_task(client.post(BATCH, json=three)) for _ in range(2)]
        await until(lambda: service_behind(client).batcher.queue_length == 3)
        waiting = await scraped(client)
        held.let.set()
        await asyncio.gather(first, second, *rest)
        done = await scraped(client)
    assert (waiting("queue_length"), waiting("pending_requests"), waiting("pending_pairs")) == (3, 4, 8)
    assert waiting("pending_bytes") > 0
    assert waiting("pending_cost") == done("executed_cost_total") > 0
    assert [done(f"pending_{what}") for what in ("requests", "pairs", "bytes", "cost")] == [0] * 4
    assert done("queue_length") == 0
    assert held.launches == [1, 1, 6]
    assert done("executions_total", kind="scores") == done("execution_duration_seconds_count", kind="scores") == 3
    assert done("executions_total", kind="work") == 1  # the warm-up
    launches = {what: (done(f"batch_{what}_count"), done(f"batch_{what}_sum")) for what in ("requests", "items")}
    assert launches == {"requests": (3, 4), "items": (3, 8)}
    assert (done("batch_requests_bucket", le="1.0"), done("batch_requests_bucket", le="2.0")) == (2, 3)
    assert (done("batch_elements_sum"), done("batch_tiles_sum")) == (8 * 4, 8)


async def test_a_request_in_parts_is_one(serving: Any, question: Document, pair: Document) -> None:
    """Parts of a request that share a launch are one request."""
    async with serving() as client:
        service_behind(client).batcher._budget = 1.0
        await client.post(BATCH, json={**question, "items": [pair] * 4})
        found = await scraped(client)
    assert found("executions_total", kind="scores") == 1
    assert (found("batch_requests_sum"), found("batch_items_sum")) == (1, 4)
    assert found("requests_total", route=BATCH, outcome="success", reason="success") == 1


async def test_a_held_consumer_shows_in_the_queue(serving: Any, held: Held, score_request: Document) -> None:
    """Requests stand in the queue's histogram for as long as the launch before them is held; its own request does not."""
    async with serving(held) as client:
        started = time.monotonic()
        first = asyncio.create_task(client.post(SCORE, json=score_request))
        await until(lambda: held.launches == [1])
        launched = time.monotonic()
        rest = [asyncio.create_task(client.post(SCORE, json=score_request)) for _ in range(4)]
        await until(lambda: service_behind(client).batcher.queue_length == 4)
        await asyncio.sleep(1.2 * HELD_S)
        held.let.set()
        await asyncio.gather(first, *rest)
        answered = time.monotonic()
        found = await scraped(client)
    count = found("queue_duration_seconds_count", route=SCORE)
    below = found("queue_duration_seconds_bucket", route=SCORE, le=str(HELD_S))
    assert count == 5
    assert count - below >= 4
    # the machine may have paused at any moment: no sum but what the test has waited itself
    assert found("queue_duration_seconds_sum", route=SCORE) <= launched - started + 4 * (answered - launched)


async def test_dropped(serving: Any, held: Held, score_request: Document) -> None:
    """What is not run is counted by why: its deadline passed, or its caller left."""
    async with serving(held) as client:
        first = asyncio.create_task(client.post(SCORE, json=score_request))
        await until(lambda: held.launches == [1])
        second = asyncio.create_task(client.post(SCORE, json=score_request))
        batcher = service_behind(client).batcher
        await until(lambda: batcher._staged is not None)
        late = await client.post(SCORE, json=score_request, headers={"X-Request-Timeout-Ms": "50"})
        gone = [asyncio.create_task(client.post(SCORE, json=score_request)) for _ in range(2)]
        await until(lambda: batcher.queue_length == 4)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        held.let.set()
        await asyncio.gather(first, second)
        await client.post(SCORE, json=score_request)
        found = await scraped(client)
    assert late.status_code == 504
    assert (found("dropped_total", reason="late"), found("dropped_total", reason="gone")) == (1, 2)
    assert found("requests_total", route=SCORE, outcome="failure", reason="deadline_exceeded") == 1
    assert found("requests_total", route=SCORE, outcome="failure", reason="cancelled") == 2
    # what broke off in the queue has its time there
    assert found("queue_duration_seconds_count", route=SCORE) == 6


async def test_rejected(serving: Any, held: Held, score_request: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not taken is counted by why: too much waits, or the service is being stopped."""
    monkeypatch.setattr(admission, "LINE_S", 0.2)
    async with serving(held, pending_pairs=1) as client:
        first = asyncio.create_task(client.post(SCORE, json=score_request))
        await until(lambda: held.launches == [1])
        refused = await client.post(SCORE, json=score_request)
        held.let.set()
        await first
        service_behind(client).admission.drain()
        stopped = [await client.post(SCORE, json=score_request) for _ in range(2)]
        found = await scraped(client)
    assert (refused.status_code, [answer.status_code for answer in stopped]) == (429, [503, 503])
    reasons = ("overloaded", "draining", "unavailable")
    assert [found("rejected_total", reason=reason) for reason in reasons] == [1, 2, 0]


@pytest.mark.parametrize(("most", "remedies"), [(10**6, (0, 0)), (2, (1, 0)), (0, (1, 1))])
async def test_out_of_memory(
    serving: Any, engine: Engine, question: Document, most: int, remedies: tuple[int, int]
) -> None:
    """A device without room halves its blocks, then leaves them to the CPU; the answer is the same, and both are counted."""
    kernels = Scarce("eager", engine.device)
    kernels.most = most
    many = {"encoding": "list", "data": [[0.75] * 512] * 3}
    target = {"encoding": "list", "data": [[1] * 512] * 2 + [[0] * 512]}
    async with serving(replace(engine, kernels=kernels)) as client:
        answer = await client.post(SCORE, json={**question, "prediction": many, "target": target})
        found = await scraped(client)
    assert answer.json()["scores"]["dice"]["value"] == 0.8
    assert (found("out_of_memory_splits_total"), found("out_of_memory_fallbacks_total")) == remedies


async def test_failures_of_the_device(serving: Any, engine: Engine, score_request: Document) -> None:
    """An execution that fails is counted, and its request has the reason."""
    async with serving(Faulty(engine.device, engine.kernels, engine.info)) as client:
        await client.post(SCORE, json=score_request)
        found = await scraped(client)
    assert found("execution_failures_total", kind="scores") == found("executions_total", kind="scores") == 1
    assert found("requests_total", route=SCORE, outcome="failure", reason="internal_error") == 1
    assert found("batch_items_count") == 0


async def test_the_engine_and_the_process(serving: Any, engine: Engine) -> None:
    """What computes is told, and what the process takes of the machine."""
    async with serving() as client:
        found = await scraped(client)
    assert found("engine_info", **engine.info.model_dump()) == 1
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= found.names


async def test_each_service_has_its_own(serving: Any, score_request: Document) -> None:
    """What one service counts no other tells."""
    async with serving() as one, serving() as other:
        await one.post(SCORE, json=score_request)
        counts = [(await scraped(client))("executions_total", kind="scores") for client in (one, other)]
    assert counts == [1, 0]


async def test_both_formats(client: httpx.AsyncClient) -> None:
    """Prometheus' own format by default, OpenMetrics for whom accepts it; neither tells when a series began."""
    plain = await client.get("/metrics")
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    open_metrics = await client.get("/metrics", headers=wanted)
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")
    assert "_created" not in plain.text + open_metrics.text
