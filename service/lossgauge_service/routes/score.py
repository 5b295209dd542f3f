"""`POST /v1/score`: one pair."""

from functools import partial

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.wire import ScoreRequest, ScoreResponse
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.answers import answer, scores_document
from lossgauge_service.bodies import Body
from lossgauge_service.decoding import without_arrays
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.openapi import SCORING, body_of, problems
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.questions import planned
from lossgauge_service.routes.examples import SCORE
from lossgauge_service.routes.plain import Plain
from lossgauge_service.samples import Sample
from lossgauge_service.visits import Visit, visiting

router = APIRouter(tags=["scoring"], route_class=Plain)


@router.post(
    "/v1/score",
    response_model=ScoreResponse,
    responses=problems(*SCORING),
    openapi_extra=body_of(ScoreRequest, SCORE),
)
async def score(request: Request) -> Response:
    """Score one prediction against its target."""
    async with visiting(request) as visit:
        asked, plan, sample = await visit.decoded(_decoded)
        outcomes = await visit.scored(plan, [sample])
        hurry = plan.is_short(outcomes)
        answered = partial(_answered, asked, plan, sample, outcomes, visit, hurry)
        return answered() if hurry else await run_sync(answered)


def _decoded(visit: Visit, body: Body) -> tuple[ScoreRequest, Plan, Sample]:
    envelope = visit.opened(body)
    asked, plan = planned(envelope, visit.service.limits)
    sample = visit.decoder(envelope).compact_sample(asked, asked)
    visit.hold([sample])
    return without_arrays(asked), plan, sample


def _answered(
    asked: ScoreRequest, plan: Plan, sample: Sample, outcomes: Outcomes, visit: Visit, hurry: bool
) -> Response:
    [scores] = plan.scores(outcomes, hurry)
    visit.watch.lap("compute")
    if isinstance(scores, LossgaugeError):
        raise scores
    content = {"id": asked.id, **scores_document(scores, sample)}
    return answer(content, asked, plan, visit.service.engine.info, visit.watch)
