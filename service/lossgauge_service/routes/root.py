"""`GET /`: what this is, and where to read on."""

from fastapi import APIRouter
from lossgauge import __version__

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> dict[str, str]:
    """Name, version and the way to the documentation."""
    return {"name": "lossgauge", "version": __version__, "docs": "/docs", "openapi": "/openapi.json"}
