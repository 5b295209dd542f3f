"""The application: which routes, which middleware. No logic."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from lossgauge import __version__
from starlette.middleware import Middleware

from lossgauge_service import errors, openapi
from lossgauge_service.engine import Engine
from lossgauge_service.guard import Guard
from lossgauge_service.head import Head
from lossgauge_service.keyring import Keyring
from lossgauge_service.leaving import Leaving
from lossgauge_service.observing import Observed
from lossgauge_service.problems import HANDLERS, Problems
from lossgauge_service.request_id import RequestId
from lossgauge_service.routes import batch, catalogue, health, limits, maps, meters, presets, root, score, stream, sweep
from lossgauge_service.service import running
from lossgauge_service.settings import Settings
from lossgauge_service.statuses import STATUS
from lossgauge_service.taking import Taken
from lossgauge_service.tracing import Tracing, tracing_of

ROUTES = (
    score.router,
    batch.router,
    stream.router,
    sweep.router,
    maps.router,
    catalogue.router,
    presets.router,
    limits.router,
    health.router,
    meters.router,
    root.router,
)

MIDDLEWARE = (Middleware(RequestId), Middleware(Observed), Middleware(Leaving), Middleware(Taken), Middleware(Head))


def create_app(settings: Settings, engine: Engine | None = None, tracing: Tracing | None = None) -> FastAPI:
    """The application; `engine` and `tracing` in place of those that the settings describe. Its lifespan must be run.

    Raises `InvalidKeys`.
    """
    problems = Problems(STATUS)
    traces = tracing or tracing_of(settings.otel, os.environ)
    keyring = Keyring(settings.api_keys.get_secret_value(), settings.api_keys_file)
    guard = [Middleware(Guard, keyring, problems)] if keyring else []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, problems, engine, traces) as app.state.service:
            yield

    app = FastAPIOffline(
        title="lossgauge",
        version=__version__,
        summary="Losses and metrics of predicted masks and prediction arrays, many at once, in one pass.",
        redoc_url=None,
        lifespan=lifespan,
        middleware=[*MIDDLEWARE, *guard],
        exception_handlers={errors.LossgaugeError: problems.on_error, **HANDLERS},
        redirect_slashes=False,
    )
    app.openapi = partial(openapi.document, app, guarded=bool(keyring))  # type: ignore[method-assign]
    for router in ROUTES:
        app.include_router(router)
    return app
