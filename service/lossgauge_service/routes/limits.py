"""`GET /v1/limits`: the caps."""

from fastapi import APIRouter
from lossgauge.wire import Limits
from starlette.requests import Request

from lossgauge_service.openapi import problems
from lossgauge_service.service import service_of

router = APIRouter(tags=["catalogue"])


@router.get("/v1/limits", response_model=Limits, responses=problems())
async def limits(request: Request) -> Limits:
    """The service's caps; an error that a cap causes names it in `limit`."""
    return service_of(request).limits
