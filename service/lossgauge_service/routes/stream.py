"""`POST /v1/score/stream`: pairs that are scored while they arrive, and told while more arrive."""

from functools import partial

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.wire import Limits, StreamRequest
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.accepting import accepted
from lossgauge_service.bodies import Entry, arriving
from lossgauge_service.bodies.json import small_document_of
from lossgauge_service.decoding import stream_request
from lossgauge_service.lines import NDJSON, Lines, Writer
from lossgauge_service.openapi import LINES, NEGOTIATED, problems, stream_of
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.routes.examples import STREAM
from lossgauge_service.routes.flow import Flow
from lossgauge_service.routes.incoming import Incoming
from lossgauge_service.routes.plain import Plain
from lossgauge_service.service import service_of
from lossgauge_service.visits import visiting

router = APIRouter(tags=["scoring"], route_class=Plain)


@router.post(
    "/v1/score/stream",
    status_code=200,
    response_class=Response,
    responses={200: {"content": LINES, "description": "Lines."}, **problems(*NEGOTIATED)},
    openapi_extra=stream_of(STREAM),
)
async def score_stream(request: Request) -> Response:
    """Score pairs while they arrive: the question, then an item a line or a few parts each; answered by a line each.

    A data set of any size needs little memory. Read while you write: what is not read stops what is written.
    """
    accepted(request.headers.get("accept"), (NDJSON,))
    service = service_of(request)
    return Lines(request, partial(_served, request), service.problems.told, service.idle_s)


async def _served(request: Request, writer: Writer) -> None:
    async with visiting(request) as visit:
        incoming = Incoming(visit, arriving(request, visit.service.limits), writer.activity)
        question = await incoming.question()
        asked, plan = await run_sync(_asked, question, visit.service.limits)
        visit.admitted.let_go(bytes=question.size)
        await Flow(visit, asked, plan, incoming, writer).run()


def _asked(question: Entry, limits: Limits) -> tuple[StreamRequest, Plan]:
    if question.error is not None:
        raise question.error
    asked = stream_request(small_document_of(question.document, limits, "the question"), limits)
    return asked, plan_for(asked)
