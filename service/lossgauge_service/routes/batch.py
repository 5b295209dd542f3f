"""`POST /v1/score/batch`: many pairs, each with its scores or its problem."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.wire import BatchRequest, BatchResponse, Score
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.answers import answer, scores_document
from lossgauge_service.bodies import Body
from lossgauge_service.decoding import Item, batch_request
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.events import SUCCESS
from lossgauge_service.openapi import SCORING_PROBLEMS, body_of, problems
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.routes.examples import BATCH
from lossgauge_service.samples import Sample
from lossgauge_service.service import Service
from lossgauge_service.visits import Visit, visiting

router = APIRouter(tags=["scoring"])


Result = dict[str, Score] | LossgaugeError


@dataclass(frozen=True)
class Job:
    """A batch, decoded."""

    asked: BatchRequest
    plan: Plan
    items: list[Item]

    @property
    def samples(self) -> list[Sample]:
        """The items that can be scored."""
        return [item.outcome for item in self.items if isinstance(item.outcome, Sample)]

    def results(self, outcomes: Outcomes) -> list[Result]:
        """Each item's scores or error, from what was computed of the samples, in their order."""
        left = iter(self.plan.scores(outcomes))
        return [self._result(item, left) for item in self.items]

    def _result(self, item: Item, left: Iterator[Result]) -> Result:
        found = item.outcome if isinstance(item.outcome, LossgaugeError) else next(left)
        return item.told(found) if isinstance(found, LossgaugeError) else found


@router.post(
    "/v1/score/batch",
    response_model=BatchResponse,
    responses=problems(*SCORING_PROBLEMS),
    openapi_extra=body_of(BatchRequest, BATCH),
)
async def score_batch(request: Request) -> Response:
    """Score many pairs. A bad item is a problem in its place; its neighbours get their scores.

    A metric that fits none of the items for the same reason, whatever their axes and weights, is a problem of the request.
    """
    async with visiting(request) as visit:
        job = await visit.decoded(_decoded)
        outcomes = await visit.scored(job.plan, job.samples)
        return await run_sync(_answered, job, outcomes, visit)


def _decoded(visit: Visit, body: Body) -> Job:
    envelope = visit.opened(body)
    asked = batch_request(envelope, visit.service.limits)
    plan = plan_for(asked)
    job = Job(asked, plan, visit.decoder(envelope).items(asked))
    misfit = plan.shared_misfit({sample.case for sample in job.samples})
    if misfit is not None:
        raise misfit
    visit.hold(job.samples)
    return job


def _answered(job: Job, outcomes: Outcomes, visit: Visit) -> Response:
    results = job.results(outcomes)
    scores = [result if isinstance(result, dict) else None for result in results]
    summary = {key: one.model_dump() for key, one in job.plan.summary(scores, outcomes.groups).items()}
    visit.watch.lap("compute")
    visit.account.decided(result.code if isinstance(result, LossgaugeError) else SUCCESS for result in results)
    items = [
        {"id": item.id, "index": index, **_document(item, result, visit.service)}
        for index, (item, result) in enumerate(zip(job.items, results, strict=True))
    ]
    content = {"items": items, "summary": summary}
    return answer(content, job.asked, job.plan, visit.service.engine.info, visit.watch)


def _document(item: Item, result: Result, service: Service) -> dict[str, Any]:
    if isinstance(result, LossgaugeError):
        return {"problem": service.problems.problem_of(result).model_dump(exclude_none=True)}
    assert isinstance(item.outcome, Sample)
    return scores_document(result, item.outcome)
