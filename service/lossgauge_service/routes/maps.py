"""`POST /v1/maps`: one pair, pixel by pixel."""

from dataclasses import dataclass
from functools import partial

from anyio.to_thread import run_sync
from fastapi import APIRouter
from lossgauge.mapping import MapRequest, MapResponse
from lossgauge.wire import Limits
from starlette.requests import Request
from starlette.responses import Response

from lossgauge_service.accepting import accepted
from lossgauge_service.bodies import Body
from lossgauge_service.decoding import map_request, without_arrays
from lossgauge_service.errors import LimitExceeded, NotAcceptable
from lossgauge_service.maps import Mapped, maps_in_pieces, plans_of, question_of
from lossgauge_service.openapi import NEGOTIATED, body_of, problems
from lossgauge_service.plan import Plan
from lossgauge_service.routes.examples import MAPS
from lossgauge_service.routes.map_answers import ALONE, BINARY, WRITERS
from lossgauge_service.routes.plain import Plain
from lossgauge_service.samples import Sample
from lossgauge_service.visits import Visit, visiting

router = APIRouter(tags=["maps"], route_class=Plain)


@dataclass(frozen=True)
class Job:
    """A request of maps, decoded; `media_type` is what the answer will be."""

    asked: MapRequest
    plans: list[Plan | None]
    sample: Sample
    media_type: str


@router.post(
    "/v1/maps",
    response_model=MapResponse,
    responses={
        200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in BINARY}},
        **problems(*NEGOTIATED),
    },
    openapi_extra=body_of(MapRequest, MAPS),
)
async def maps(request: Request) -> Response:
    """Map one pair: losses and gradients of each pixel, what is right and wrong. Answered as `Accept` says."""
    media_type = accepted(request.headers.get("accept"), tuple(WRITERS))
    async with visiting(request) as visit:
        job = await visit.decoded(partial(_decoded, media_type))
        found = await visit.mapped(maps_in_pieces(visit.service.engine, job.asked, job.plans, job.sample))
        visit.watch.lap("compute")
        return await run_sync(_answered, job, found, visit)


def _decoded(media_type: str, visit: Visit, body: Body) -> Job:
    envelope = visit.opened(body)
    asked = map_request(envelope, visit.service.limits)
    if media_type in ALONE and len(asked.maps) > 1:
        raise NotAcceptable(f"{media_type} holds one map; {len(asked.maps)} are asked for", pointer="/maps")
    plans = plans_of(asked)
    sample = visit.decoder(envelope).sample(question_of(asked), asked)
    _check_elements(len(asked.maps), sample, visit.service.limits)
    visit.hold([sample])
    return Job(without_arrays(asked), plans, sample, media_type)


def _check_elements(maps: int, sample: Sample, limits: Limits) -> None:
    elements = maps * sample.elements
    if elements > limits.map_elements:
        found = f"{maps} maps of {sample.elements} elements are {elements}; at most {limits.map_elements} are allowed"
        raise LimitExceeded(found, pointer="/maps", limit="map_elements")


def _answered(job: Job, found: list[Mapped], visit: Visit) -> Response:
    return WRITERS[job.media_type](job.asked, found, job.sample, visit.service.engine.info, visit.watch)
