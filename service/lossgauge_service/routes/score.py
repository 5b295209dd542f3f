"""`POST /v1/score`: one pair."""

from functools import partial

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.wire import ScoreRequest, ScoreResponse
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.answers import Stopwatch, answer, scores_document
from lossgauge_service.batching import Ticket
from lossgauge_service.bodies import Body, opened, receive
from lossgauge_service.decoding import Decoder, score_request
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.openapi import SCORING_PROBLEMS, body_of, problems
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.routes.examples import SCORE
from lossgauge_service.samples import Sample
from lossgauge_service.service import Service, service_of

router = APIRouter(tags=["scoring"])


@router.post(
    "/v1/score",
    response_model=ScoreResponse,
    responses=problems(*SCORING_PROBLEMS),
    openapi_extra=body_of(ScoreRequest, SCORE),
)
async def score(request: Request) -> Response:
    """Score one prediction against its target."""
    service = service_of(request)
    service.readiness.require()
    watch = Stopwatch()
    body = await receive(request, service.limits)
    watch.lap("receive")
    asked, plan, sample = await run_sync(_decoded, body, service)
    watch.lap("decode")
    outcomes = await service.batcher.run(plan, [sample], Ticket(on_start=partial(watch.lap, "queue")))
    return await run_sync(_answered, asked, plan, sample, outcomes, service, watch)


def _decoded(body: Body, service: Service) -> tuple[ScoreRequest, Plan, Sample]:
    envelope = opened(body, service.limits)
    asked = score_request(envelope, service.limits)
    plan = plan_for(asked)
    decoder = Decoder(envelope.attachments, service.caps, service.limits)
    return asked, plan, decoder.compact_sample(asked, asked)


def _answered(
    asked: ScoreRequest, plan: Plan, sample: Sample, outcomes: Outcomes, service: Service, watch: Stopwatch
) -> Response:
    [scores] = plan.scores(outcomes)
    watch.lap("compute")
    if isinstance(scores, LossgaugeError):
        raise scores
    content = {"id": asked.id, **scores_document(scores, sample)}
    return answer(content, asked, plan, service.engine.info, watch)
