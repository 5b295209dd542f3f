"""Traces by OpenTelemetry: a server span a request with a child a step, and a span a batch, linked to the requests in it."""

from collections.abc import Mapping, Sequence

from lossgauge import __version__
from opentelemetry.context import Context, get_current
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lossgauge_service.events import Answered, Ran
from lossgauge_service.tracing import Trace, Tracing

FLUSH_MS = 5_000
"""How long the service waits for its last spans to leave."""
FAULT = 500
"""From here on a status is the service's fault, and its span an error."""


class SpanOfRequest(Trace):
    """A request's server span; its steps become children of it once they are known."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def id(self) -> str | None:
        return format_trace_id(self._span.get_span_context().trace_id)

    @property
    def link(self) -> Link | None:
        """What a batch links to; None where this request is not sampled."""
        context = self._span.get_span_context()
        return Link(context) if context.trace_flags.sampled else None

    def answered(self, request: Answered) -> None:
        self._span.update_name(f"{request.method} {request.route}")
        self._span.set_attributes(_told(request))
        if request.status >= FAULT:
            self._span.set_status(Status(StatusCode.ERROR, request.outcome))
        _add_steps(self._tracer, set_span_in_context(self._span), request)
        # by the clock of the steps, which are within it however the clock of the day is set meanwhile
        self._span.end(request.began_ns + round(request.total_s * 1e9))


class OpenTelemetry(Tracing):
    """Traces with a provider of its own: nothing of the process is changed."""

    def __init__(self, processor: SpanProcessor) -> None:
        named = Resource.create({SERVICE_NAME: "lossgauge", SERVICE_VERSION: __version__})
        self._provider = TracerProvider(resource=named.merge(OTELResourceDetector().detect()))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("lossgauge", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def request(self, headers: Mapping[str, str], began_ns: int) -> Trace:
        caller = self._propagator.extract(headers, get_current())
        span = self._tracer.start_span("request", caller, SpanKind.SERVER, start_time=began_ns)
        return SpanOfRequest(self._tracer, span)

    def ran(self, batch: Ran, traces: Sequence[Trace]) -> None:
        links = [trace.link for trace in traces if isinstance(trace, SpanOfRequest) and trace.link is not None]
        if not links:
            return
        began = batch.ended_ns - round(batch.seconds * 1e9)
        # a root of its own: it belongs to each of its requests, and to none more than to another
        span = self._tracer.start_span("batch", Context(), attributes=_sizes(batch), links=links, start_time=began)
        if batch.error is not None:
            span.set_status(Status(StatusCode.ERROR, batch.error))
        span.end(batch.ended_ns)

    def close(self) -> None:
        self._provider.force_flush(FLUSH_MS)


def exporting() -> OpenTelemetry:
    """Traces that are sent by OTLP over HTTP, as the `OTEL_*` variables say."""
    return OpenTelemetry(BatchSpanProcessor(OTLPSpanExporter()))


def _add_steps(tracer: Tracer, parent: Context, request: Answered) -> None:
    """The steps follow one another: each begins where the one before it ended."""
    at = request.began_ns
    for step, seconds in request.steps.items():
        span = tracer.start_span(step, parent, start_time=at)
        at += round(seconds * 1e9)
        span.end(at)


def _told(request: Answered) -> dict[str, str | int]:
    return {
        "http.request.method": request.method,
        "http.route": request.route,
        "http.response.status_code": request.status,
        "http.request.body.size": request.bytes_in,
        "lossgauge.request_id": request.request_id,
        "lossgauge.outcome": request.outcome,
        "lossgauge.pairs": sum(request.pairs.values()),
    }


def _sizes(batch: Ran) -> dict[str, str | int | float]:
    return {
        "lossgauge.batch.kind": batch.kind,
        "lossgauge.batch.requests": batch.requests,
        "lossgauge.batch.items": batch.items,
        "lossgauge.batch.tiles": batch.tiles,
        "lossgauge.batch.elements": batch.elements,
        "lossgauge.batch.cost": batch.cost,
    }
