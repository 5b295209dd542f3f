"""`GET /metrics`: what is counted, for Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.openapi import problems
from lossgauge_service.service import service_of

router = APIRouter(tags=["health"])

TEXT: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The metrics."}


@dataclass(frozen=True)
class WithoutBirthdays(Collector):
    """The metrics of a registry without the time at which each series began, of which the library tells in a series each."""

    registry: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        for metric in self.registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


@router.get("/metrics", response_class=Response, responses={200: TEXT, **problems()})
def meters(request: Request) -> Response:
    """Counts, durations and sizes since the service started, as Prometheus reads them; OpenMetrics for whom accepts it."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(WithoutBirthdays(service_of(request).meters.registry)), media_type=media_type)
