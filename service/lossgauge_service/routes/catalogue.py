"""`GET /v1/metrics`: what can be asked, from the specs themselves."""

import inspect
from functools import cache

from fastapi import APIRouter
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.wire import Catalogue, MetricDescription

from lossgauge_service.errors import NotFound
from lossgauge_service.openapi import problems
from lossgauge_service.validation import unknown

router = APIRouter(tags=["catalogue"])


@router.get("/v1/metrics", response_model=Catalogue, responses=problems())
async def metrics() -> Catalogue:
    """Every metric: formula, parameters with bounds and defaults, direction, range and source."""
    return _catalogue()


@router.get("/v1/metrics/{name}", response_model=MetricDescription, responses=problems(NotFound))
async def metric(name: str) -> MetricDescription:
    """One metric."""
    if name not in CATALOGUE:
        raise NotFound(unknown("metric", name, CATALOGUE))
    return next(description for description in _catalogue().metrics if description.name == name)


@cache
def _catalogue() -> Catalogue:
    return Catalogue(metrics=[_description(name, spec) for name, spec in CATALOGUE.items()])


def _description(name: str, spec: type[MetricSpec]) -> MetricDescription:
    summary, _, description = inspect.getdoc(spec).partition("\n")  # type: ignore[union-attr]  # every spec has one
    schema = spec.model_json_schema()
    about = spec.about
    return MetricDescription(
        name=name,
        summary=summary,
        description=description.strip(),
        formula=about.formula,
        direction=about.direction,
        range=about.range,
        source=about.source,
        tasks=list(about.tasks),
        prediction_kinds=list(about.kinds),
        extras=dict(about.extras),
        parameters={key: value for key, value in schema["properties"].items() if key != "name"},
        definitions=schema.get("$defs", {}),
    )
