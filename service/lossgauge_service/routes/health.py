"""`/health`: is the process there, and can it score."""

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lossgauge_service.errors import Unavailable
from lossgauge_service.openapi import RETRY_AFTER, problems
from lossgauge_service.service import service_of

router = APIRouter(tags=["health"], prefix="/health")


class Live(BaseModel):
    """The process answers."""

    live: bool = True


class Ready(BaseModel):
    """Whether the service can score, and why not."""

    ready: bool
    reason: str | None = None


NOT_READY = {"model": Ready, "description": "Warming up, being stopped, or broken.", "headers": RETRY_AFTER}


@router.get("/live", response_model=Live, responses=problems())
async def live() -> Live:
    """Whether the process answers: always cheap."""
    return Live()


@router.get("/ready", response_model=Ready, responses={**problems(), HTTPStatus.SERVICE_UNAVAILABLE.value: NOT_READY})
async def ready(request: Request) -> Response:
    """Whether requests are scored: 200 if so, else 503 with the reason."""
    obstacle = service_of(request).readiness.obstacle
    if obstacle is None:
        return JSONResponse({"ready": True, "reason": None})
    request.state.outcome = obstacle.code
    return _not_ready(obstacle)


def _not_ready(obstacle: Unavailable) -> Response:
    content = {"ready": False, "reason": obstacle.detail}
    return JSONResponse(content, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(obstacle.extras["retry_after"])})
