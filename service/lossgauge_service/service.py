"""The running service: what its routes share, made when the application starts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from lossgauge.encodings.base import Caps
from lossgauge.wire import Limits
from starlette.requests import Request

from lossgauge_service.admission import Admission
from lossgauge_service.batching import PATIENCE_S, PATIENCE_WITH_WARM_UP_S, Batcher
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.fitness import TRIED_EVERY_S, Fitness
from lossgauge_service.heap import Spare
from lossgauge_service.meters import Meters
from lossgauge_service.problems import Problems
from lossgauge_service.readiness import Readiness
from lossgauge_service.settings import Settings
from lossgauge_service.tracing import Tracing

log = logging.getLogger("lossgauge.service")


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
    meters: Meters
    tracing: Tracing


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return cast(Service, request.app.state.service)


def engine_of(settings: Settings) -> Engine:
    """The engine that the settings describe."""
    return Engine.build(settings.device, settings.kernel, settings.kernel_cache, settings.threads)


@asynccontextmanager
async def running(
    settings: Settings, problems: Problems, engine: Engine | None, tracing: Tracing
) -> AsyncIterator[Service]:
    """The service, warming up behind the first requests; closed at the end."""
    meters = Meters()
    engine = (engine or engine_of(settings)).telling(meters.out_of_memory)
    fitness = Fitness(engine)
    batcher = Batcher(
        engine, meters, tracing=tracing, blamed=lambda error: fitness.blamed(error) if warm_up.done() else error
    )
    admission = Admission(settings.pending_bytes, settings.pending_pairs, lambda: batcher.wait_s, freed=Spare().left)
    _measure(meters, engine, batcher, admission)
    warm_up = asyncio.create_task(batcher.warm_up())
    warm_up.add_done_callback(_log_failure)
    trying = asyncio.create_task(_try(fitness, batcher))
    try:
        yield Service(
            settings.limits,
            settings.caps,
            problems,
            engine,
            batcher,
            Readiness(warm_up, lambda: fitness.obstacle, lambda: admission.draining),
            admission,
            CapacityLimiter(settings.decoders),
            settings.timeout_s,
            settings.idle_s,
            meters,
            tracing,
        )
    finally:
        patience_s = PATIENCE_S if warm_up.done() else PATIENCE_WITH_WARM_UP_S
        warm_up.cancel()
        trying.cancel()
        batcher.close(patience_s)
        await run_sync(tracing.close)


async def _try(fitness: Fitness, batcher: Batcher) -> None:
    """Try a broken device, again and again, on its own thread, until it works."""
    while True:
        await asyncio.sleep(TRIED_EVERY_S)
        if fitness.obstacle is not None:
            with suppress(LossgaugeError):
                await batcher.call(lambda _: fitness.check())


def _measure(meters: Meters, engine: Engine, batcher: Batcher, admission: Admission) -> None:
    """What is read when somebody asks."""
    meters.engine(engine.info.model_dump())
    meters.reads("line_length", "Requests that wait to be let in.", lambda: admission.in_line)
    meters.reads("pending_requests", "Requests that are being scored.", lambda: admission.requests)
    meters.reads("pending_bytes", "Bytes that they hold.", lambda: admission.held.bytes)
    meters.reads("pending_pairs", "Pairs that they hold.", lambda: admission.held.pairs)
    meters.reads(
        "pending_cost", "Elements times statistics that wait, are staged or run.", lambda: batcher.pending_cost
    )
    meters.reads("queue_length", "Parts of requests that wait or are staged.", lambda: batcher.queue_length)


def _log_failure(warm_up: asyncio.Task[None]) -> None:
    if not warm_up.cancelled() and (failure := warm_up.exception()):
        log.error("the engine cannot be warmed up", exc_info=failure)
