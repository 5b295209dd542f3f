"""`POST /v1/score/batch`: many pairs, each with its scores or its problem."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.wire import BatchRequest, BatchResponse, Score
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.answers import Stopwatch, answer, scores_document
from lossgauge_service.batching import Ticket
from lossgauge_service.bodies import Body, opened, receive
from lossgauge_service.decoding import Decoder, Item, batch_request
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.openapi import SCORING_PROBLEMS, body_of, problems
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.routes.examples import BATCH
from lossgauge_service.samples import Sample
from lossgauge_service.service import Service, service_of

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
    """Score many pairs. A bad item is a problem in its place; its neighbours get their scores."""
    service = service_of(request)
    service.readiness.require()
    watch = Stopwatch()
    body = await receive(request, service.limits)
    watch.lap("receive")
    job = await run_sync(_decoded, body, service)
    watch.lap("decode")
    outcomes = await service.batcher.run(job.plan, job.samples, Ticket(on_start=partial(watch.lap, "queue")))
    return await run_sync(_answered, job, outcomes, service, watch)


def _decoded(body: Body, service: Service) -> Job:
    envelope = opened(body, service.limits)
    asked = batch_request(envelope, service.limits)
    plan = plan_for(asked)
    decoder = Decoder(envelope.attachments, service.caps, service.limits)
    return Job(asked, plan, decoder.items(asked))


def _answered(job: Job, outcomes: Outcomes, service: Service, watch: Stopwatch) -> Response:
    results = job.results(outcomes)
    watch.lap("compute")
    items = [
        {"id": item.id, "index": index, **_document(item, result, service)}
        for index, (item, result) in enumerate(zip(job.items, results, strict=True))
    ]
    scores = [result if isinstance(result, dict) else None for result in results]
    summary = {key: one.model_dump() for key, one in job.plan.summary(scores, outcomes.groups).items()}
    return answer({"items": items, "summary": summary}, job.asked, job.plan, service.engine.info, watch)


def _document(item: Item, result: Result, service: Service) -> dict[str, Any]:
    if isinstance(result, LossgaugeError):
        return {"problem": service.problems.problem_of(result).model_dump(exclude_none=True)}
    assert isinstance(item.outcome, Sample)
    return scores_document(result, item.outcome)
