"""`GET /v1/presets`: the libraries whose choices can be taken, and what each says of every metric."""

from fastapi import APIRouter
from lossgauge.presets import PRESETS, Preset
from lossgauge.wire import Presets

from lossgauge_service.errors import NotFound
from lossgauge_service.openapi import problems
from lossgauge_service.validation import unknown

router = APIRouter(tags=["catalogue"])


@router.get("/v1/presets", response_model=Presets, responses=problems())
async def presets() -> Presets:
    """Every preset: versions, how it was checked, the parameters by metric, what differs and what is wrong there."""
    return Presets(presets=[*PRESETS.values()])


@router.get("/v1/presets/{name}", response_model=Preset, responses=problems(NotFound))
async def preset(name: str) -> Preset:
    """One preset."""
    if name not in PRESETS:
        raise NotFound(unknown("preset", name, PRESETS))
    return PRESETS[name]
