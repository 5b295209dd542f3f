"""`POST /v1/sweep`: one pair at many thresholds, alphas and gammas."""

from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.sweeps import SweepRequest, SweepResponse, Table, csv_of, document_of
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.accepting import accepted
from lossgauge_service.answers import CSV_MEDIA_TYPE, MEDIA_TYPE, answer, csv_answer, score_document
from lossgauge_service.bodies import Body
from lossgauge_service.decoding import sweep_request, without_arrays
from lossgauge_service.errors import InvalidParameter
from lossgauge_service.openapi import NEGOTIATED, body_of, problems
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.routes.examples import SWEEP
from lossgauge_service.routes.plain import Plain
from lossgauge_service.samples import Sample
from lossgauge_service.sweeps import Sweeping, Tables, sweeping
from lossgauge_service.visits import Visit, visiting

router = APIRouter(tags=["scoring"], route_class=Plain)

OFFERED = (MEDIA_TYPE, CSV_MEDIA_TYPE)
TABULAR: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {"content": {CSV_MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


class Job(NamedTuple):
    """A sweep, decoded; `table` is what a CSV holds, None for JSON."""

    asked: SweepRequest
    sweep: Sweeping
    sample: Sample
    table: Table | None


@router.post(
    "/v1/sweep",
    response_model=SweepResponse,
    responses={**problems(*NEGOTIATED), **TABULAR},
    openapi_extra=body_of(SweepRequest, SWEEP),
)
async def sweep(request: Request) -> Response:
    """Score one pair at many thresholds, and the focal loss at many alphas and gammas, in one pass. CSV for `Accept: text/csv`."""
    media_type = accepted(request.headers.get("accept"), OFFERED)
    async with visiting(request) as visit:
        job = await visit.decoded(partial(_decoded, media_type == CSV_MEDIA_TYPE))
        outcomes = await visit.scored(job.sweep.plan, [job.sample])
        return await run_sync(_answered, job, outcomes, visit)


def _decoded(as_csv: bool, visit: Visit, body: Body) -> Job:
    envelope = visit.opened(body)
    asked = sweep_request(envelope, visit.service.limits)
    job = sweeping(asked)
    table = _table(asked) if as_csv else None
    sample = visit.decoder(envelope).sample(job.question, asked)
    visit.hold([sample])
    return Job(without_arrays(asked), job, sample, table)


def _table(asked: SweepRequest) -> Table:
    """The one table that a CSV holds."""
    tables = asked.swept.tables
    if asked.swept.table is None and len(tables) > 1:
        raise InvalidParameter(f"a CSV holds one table; name it: {' or '.join(tables)}", pointer="/sweep/table")
    return asked.swept.table or tables[0]


def _answered(job: Job, outcomes: Outcomes, visit: Visit) -> Response:
    found = job.sweep.tables(outcomes)
    watch = visit.watch
    watch.lap("compute")
    if job.table is not None:
        response = csv_answer(csv_of(job.table, getattr(found, job.table)), watch)
    else:
        content = {"id": job.asked.id, **_document(job, found)}
        response = answer(content, job.sweep.question, job.sweep.columns, visit.service.engine.info, watch)
    response.headers["Vary"] = "Accept"
    return response


def _document(job: Job, found: Tables) -> dict[str, Any]:
    tables: dict[str, Any] = {
        name: [document_of(name, row) for row in getattr(found, name)] for name in job.asked.swept.tables
    }
    return {
        "thresholds": None,
        "cells": None,
        **tables,
        "auc": None if found.auc is None else score_document(found.auc),
        "best": found.best.model_dump(),
        "precision": job.sample.case.precision,
        "sweep": job.asked.swept.model_dump(mode="json"),
    }
