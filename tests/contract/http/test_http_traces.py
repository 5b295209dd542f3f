"""Traces: the caller's is continued, a step is a child, a batch is linked to its requests; off where nobody asks."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from lossgauge_service.app import create_app
from lossgauge_service.engine import Engine
from lossgauge_service.settings import Settings
from lossgauge_service.tracing import Tracing, tracing_of
from lossgauge_service.tracing.otel import OpenTelemetry
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.contract.http.scrape import Held, until
from tests.contract.http.test_http_lifecycle import Faulty

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STEPS = ["receive", "decode", "queue", "compute", "encode"]


class Spans:
    """A service that keeps its spans in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = OpenTelemetry(SimpleSpanProcessor(self._exporter))

    def named(self, *names: str) -> list[ReadableSpan]:
        """The spans of these names, as they ended."""
        return [span for span in self._exporter.get_finished_spans() if span.name in names]

    @property
    def names(self) -> list[str]:
        """Of all spans, as they ended."""
        return [span.name for span in self._exporter.get_finished_spans()]

    @asynccontextmanager
    async def serving(self, engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
        """A client of it, once it is warm; what has been traced until then is forgotten."""
        app = create_app(Settings(), engine, self.tracing)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://lossgauge.test")
        async with app.router.lifespan_context(app), client:
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.01)
            self._exporter.clear()
            yield client


@pytest.fixture
def spans() -> Spans:
    """Spans of a service of its own."""
    return Spans()


def traceparent(flags: str = "01") -> dict[str, str]:
    """What a caller sends that traces."""
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}


async def test_who_watches_makes_no_trace(spans: Spans, engine: Engine) -> None:
    """Probes and scrapes have no spans, whoever traces them; what else is read has."""
    async with spans.serving(engine) as client:
        for path in ("/health/live", "/health/ready", "/metrics", "/v1/limits"):
            await client.get(path, headers=traceparent())
    assert spans.names == ["GET /v1/limits"]


async def test_a_request_continues_its_callers_trace(spans: Spans, engine: Engine, score_request: Document) -> None:
    """The server span is a child of the caller's, the steps are its children, one after the other, within it."""
    async with spans.serving(engine) as client:
        await client.post("/v1/score", json=score_request, headers={**traceparent(), "X-Request-Id": "it-7"})
    [server] = spans.named("POST /v1/score")
    assert (server.kind, format(server.context.trace_id, "032x")) == (SpanKind.SERVER, TRACE)
    assert server.parent is not None
    assert (format(server.parent.span_id, "016x"), server.parent.is_remote) == (PARENT, True)
    assert server.attributes is not None
    told = {name: server.attributes[name] for name in ("http.route", "http.response.status_code", "lossgauge.pairs")}
    assert told == {"http.route": "/v1/score", "http.response.status_code": 200, "lossgauge.pairs": 1}
    assert server.attributes["lossgauge.request_id"] == "it-7"
    assert server.resource.attributes["service.name"] == "lossgauge"
    children = spans.named(*STEPS)
    assert [child.name for child in children] == STEPS
    assert {child.parent and child.parent.span_id for child in children} == {server.context.span_id}
    ends = [(child.start_time or 0, child.end_time or 0) for child in children]
    assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]
    assert all(end > start for start, end in ends)
    assert server.start_time == ends[0][0]
    assert ends[-1][1] <= (server.end_time or 0) + len(STEPS)  # each step is rounded


async def test_a_request_of_nobody_begins_a_trace(spans: Spans, engine: Engine, score_request: Document) -> None:
    """Without a caller's trace, or with one that is none, each request has its own."""
    async with spans.serving(engine) as client:
        for headers in ({}, {"traceparent": "00-zz-zz-01"}):
            await client.post("/v1/score", json=score_request, headers=headers)
    one, other = spans.named("POST /v1/score")
    assert one.parent is other.parent is None
    assert one.context.trace_id != other.context.trace_id


async def test_a_batch_is_linked_to_its_requests(spans: Spans, engine: Engine, score_request: Document) -> None:
    """Requests that share a launch are the links of one span, which lasts as long as the launch and says how large it was."""
    held = Held(engine.device, engine.kernels, engine.info)
    async with spans.serving(held) as client:
        tasks = [asyncio.create_task(client.post("/v1/score", json=score_request))]
        await until(lambda: held.launches == [1])
        batcher = client._transport.app.state.service.batcher  # type: ignore[attr-defined]
        tasks.append(asyncio.create_task(client.post("/v1/score", json=score_request)))
        await until(lambda: batcher.queue_length == 1)
        tasks += [asyncio.create_task(client.post("/v1/score", json=score_request)) for _ in range(3)]
        await until(lambda: batcher.queue_length == 4)
        held.let.set()
        await asyncio.gather(*tasks)
    batches, servers = spans.named("batch"), spans.named("POST /v1/score")
    linked = [{link.context.span_id for link in batch.links} for batch in batches]
    assert [len(links) for links in linked] == [1, 1, 3]
    assert set.union(*linked) == {server.context.span_id for server in servers}
    assert [batch.parent for batch in batches] == [None] * 3
    last = batches[-1]
    assert last.attributes is not None
    assert [last.attributes[f"lossgauge.batch.{what}"] for what in ("requests", "items", "elements")] == [3, 3, 12]
    assert batches[0].end_time is not None
    assert batches[0].start_time is not None
    assert batches[0].end_time > batches[0].start_time


async def test_what_a_caller_does_not_sample_is_not_traced(
    spans: Spans, engine: Engine, score_request: Document
) -> None:
    """Neither the request nor the batch that it ran in."""
    async with spans.serving(engine) as client:
        await client.post("/v1/score", json=score_request, headers=traceparent("00"))
    assert spans.named("POST /v1/score", "batch", *STEPS) == []


async def test_a_fault_is_an_error_and_a_wrong_request_is_none(
    spans: Spans, engine: Engine, score_request: Document
) -> None:
    """The span of a 500 has the status of an error, and so has its batch; a 422 is the caller's."""
    async with spans.serving(Faulty(engine.device, engine.kernels, engine.info)) as client:
        await client.post("/v1/score", json={**score_request, "metrics": ["dise"]})
        await client.post("/v1/score", json=score_request)
    wrong, fault = spans.named("POST /v1/score")
    assert [span.status.status_code for span in (wrong, fault)] == [StatusCode.UNSET, StatusCode.ERROR]
    assert fault.status.description == "internal_error"
    assert [batch.status.description for batch in spans.named("batch")] == ["ZeroDivisionError"]


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("wanted", "environment", "traces"),
    [
        ("auto", {}, False),
        ("auto", ENDPOINT, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, True),
        ("auto", {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ("auto", {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ("auto", {**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, False),
        ("auto", {"OTEL_SERVICE_NAME": "scores"}, False),
        ("on", {}, True),
        ("off", ENDPOINT, False),
    ],
)
def test_who_asks_for_traces(wanted: Any, environment: dict[str, str], traces: bool) -> None:
    """The setting says on or off; else OpenTelemetry's own variables do."""
    assert isinstance(tracing_of(wanted, environment), OpenTelemetry) is traces


WITHOUT_THE_EXTRA = """
import sys
for name in ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.exporter.otlp.proto.http"):
    sys.modules[name] = None
from lossgauge_service.app import create_app
from lossgauge_service.settings import Settings
from lossgauge_service.tracing import NotInstalled, Tracing, tracing_of
create_app(Settings())
assert type(tracing_of("auto", {"OTEL_TRACES_EXPORTER": "otlp"})) is Tracing
try:
    create_app(Settings(otel="on"))
except NotInstalled as missing:
    print(missing)
"""


def test_the_service_starts_without_the_extra() -> None:
    """Without OpenTelemetry there are no traces, whatever its variables say; a setting that is on is refused in one line."""
    ended = subprocess.run([sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip() == (
        "LOSSGAUGE_OTEL is on, and OpenTelemetry is not installed: pip install 'lossgauge[otel]'"
    )


def test_what_traces_nothing_is_asked_for_by_nobody() -> None:
    """Where nothing is traced a request has no trace id, and each a trace of its own."""
    one, other = (Tracing().request({}, 0) for _ in range(2))
    assert one is not other
    assert one.id is None
