"""`POST /v1/score/batch`: many pairs, each with its scores or its problem, at once or a line each."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.wire import BatchRequest, BatchResponse, Summary
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.accepting import accepted
from lossgauge_service.answers import MEDIA_TYPE, answer, tail, timing_headers
from lossgauge_service.bodies import Body
from lossgauge_service.decoding import batch_request, without_arrays
from lossgauge_service.lines import NDJSON, Lines, Writer, lines_of
from lossgauge_service.openapi import LINES, NEGOTIATED, body_of, problems
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import plan_for
from lossgauge_service.routes.examples import BATCH
from lossgauge_service.routes.plain import Plain
from lossgauge_service.routes.told_items import Job, Result, Told, outcomes_of
from lossgauge_service.service import service_of
from lossgauge_service.tally import late_summary
from lossgauge_service.visits import Visit, visiting, while_present

router = APIRouter(tags=["scoring"], route_class=Plain)


@router.post(
    "/v1/score/batch",
    response_model=BatchResponse,
    responses={200: {"content": LINES}, **problems(*NEGOTIATED)},
    openapi_extra=body_of(BatchRequest, BATCH),
)
async def score_batch(request: Request) -> Response:
    """Score many pairs. A bad item is a problem in its place; its neighbours get their scores. As lines each goes when it is done.

    A metric that fits none of the items for the same reason, whatever their axes and weights, is a problem of the request.
    """
    if accepted(request.headers.get("accept"), (MEDIA_TYPE, NDJSON)) == NDJSON:
        service = service_of(request)
        return Lines(request, partial(_in_lines, request), service.problems.told, service.idle_s)
    async with visiting(request) as visit:
        job = await visit.decoded(_decoded)
        outcomes = await visit.scored(job.plan, job.samples)
        return await run_sync(_answered, job, outcomes, visit)


def _decoded(visit: Visit, body: Body) -> Job:
    envelope = visit.opened(body)
    asked = batch_request(envelope, visit.service.limits)
    plan = plan_for(asked)
    job = Job(without_arrays(asked), plan, visit.decoder(envelope).items(asked))
    misfit = plan.shared_misfit({sample.case for sample in job.samples})
    if misfit is not None:
        raise misfit
    visit.hold(job.samples)
    return job


def _answered(job: Job, outcomes: Outcomes, visit: Visit) -> Response:
    told = Told(job, visit.service.problems)
    results = told.find(outcomes)
    summary = _late_summary(told) if time.monotonic() > visit.deadline else _summary(told)
    visit.watch.lap("compute")
    visit.account.decided(outcomes_of(results))
    content = {"items": told.documents(results), "summary": summary}
    return answer(content, job.asked, job.plan, visit.service.engine.info, visit.watch)


async def _in_lines(request: Request, writer: Writer) -> None:
    async with visiting(request) as visit:
        job = await visit.decoded(_decoded)
        await while_present(request, _written(job, visit, writer))


async def _written(job: Job, visit: Visit, writer: Writer) -> None:
    told = Told(job, visit.service.problems)
    await writer.start(timing_headers(visit.watch.times()))
    await _write(told, Outcomes(0, (), {}), visit, writer)
    async with aclosing(visit.service.batcher.stream(job.plan, job.samples, visit.ticket)) as parts:
        async for part in parts:
            await _write(told, part, visit, writer)
    visit.watch.ended("queue")
    content = {
        "summary": await _summary_in_time(told, visit.deadline),
        **tail(job.asked, job.plan, visit.service.engine.info),
    }
    visit.watch.lap("compute")
    await writer.end("summary", {**content, "timing_ms": visit.watch.times()})


async def _write(told: Told, part: Outcomes, visit: Visit, writer: Writer) -> None:
    """Write the items of a part, and those before the next that can be scored."""
    results = await run_sync(told.find, part)
    started = time.perf_counter()
    lines = await run_sync(_lines, told, results)
    visit.watch.spend("encode", time.perf_counter() - started)
    visit.account.decided(outcomes_of(results))
    await writer.write(lines)


def _lines(told: Told, results: list[Result]) -> bytes:
    return lines_of(told.documents(results))


async def _summary_in_time(told: Told, deadline: float) -> dict[str, object]:
    """The summary; where the deadline passes, without what takes long to pool."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return await run_sync(_summary, told, abandon_on_cancel=True)
    except TimeoutError:
        return await run_sync(_late_summary, told)


def _summary(told: Told) -> dict[str, object]:
    return _documents(told.job.plan.summary(told.scores, told.groups))


def _late_summary(told: Told) -> dict[str, object]:
    return _documents(late_summary(told.job.plan, told.scores, told.groups))


def _documents(summary: Mapping[str, Summary]) -> dict[str, object]:
    return {key: one.model_dump() for key, one in summary.items()}
