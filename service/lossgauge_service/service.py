"""The running service: what its routes share, made when the application starts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from anyio import CapacityLimiter
from lossgauge.encodings.base import Caps
from lossgauge.wire import Limits
from starlette.requests import Request

from lossgauge_service.admission import Admission
from lossgauge_service.batching import Batcher
from lossgauge_service.engine import Engine
from lossgauge_service.problems import Problems
from lossgauge_service.readiness import Readiness
from lossgauge_service.settings import Settings

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Service:
    """Handed to every route."""

    limits: Limits
    caps: Caps
    problems: Problems
    engine: Engine
    batcher: Batcher
    readiness: Readiness
    admission: Admission
    decoders: CapacityLimiter
    timeout_s: float
    idle_s: float


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return cast(Service, request.app.state.service)


def engine_of(settings: Settings) -> Engine:
    """The engine that the settings describe."""
    return Engine.build(settings.device, settings.kernel, settings.kernel_cache, settings.threads)


@asynccontextmanager
async def running(settings: Settings, problems: Problems, engine: Engine | None) -> AsyncIterator[Service]:
    """The service, warming up behind the first requests; closed at the end."""
    engine = engine or engine_of(settings)
    batcher = Batcher(engine)
    admission = Admission(settings.pending_bytes, settings.pending_pairs, lambda: batcher.wait_s)
    warm_up = asyncio.create_task(batcher.warm_up())
    warm_up.add_done_callback(_log_failure)
    try:
        yield Service(
            settings.limits,
            settings.caps,
            problems,
            engine,
            batcher,
            Readiness(warm_up, lambda: admission.draining),
            admission,
            CapacityLimiter(settings.decoders),
            settings.timeout_s,
            settings.idle_s,
        )
    finally:
        warm_up.cancel()
        batcher.close()


def _log_failure(warm_up: asyncio.Task[None]) -> None:
    if not warm_up.cancelled() and (failure := warm_up.exception()):
        log.error("the engine cannot be warmed up", exc_info=failure)
