"""The application: wires the stages, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from service import __version__, openapi
from service.catalog import open_models
from service.express import Express
from service.heartbeat import Heartbeats, keep_watch
from service.logs import AccessLog
from service.metrics import Metrics
from service.middleware import BodyLimit, BodyRule, DefectNet
from service.model import Model
from service.pipeline import open_pipeline
from service.routes import analyze, files, huggingface, oip, ops, page, predict, stream
from service.routes.errors import install_error_handlers
from service.settings import Settings
from service.telemetry import Observed, Telemetry, note_models, watch_queues
from service.tracing import FRAMEWORK_TELEMETRY, open_tracer

ROUTED = (predict, analyze, stream, files, huggingface, oip, ops, page)
"""Modules of routes, in the order of the OpenAPI page."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]


def create_app(
    settings: Settings,
    models: Mapping[str, Model] | None = None,
    heartbeats: Heartbeats | None = None,
    slot: int = 0,
    metrics: Metrics | None = None,
) -> FastAPI:
    """The service over `models`, which are opened at start from the settings when left out.

    With `heartbeats` it shows that it lives, as the process of `slot`. It counts in
    `metrics`, or in its own when left out. Starting raises BundleError or ProviderError with
    the reason when a bundle cannot be served.
    """
    telemetry = Telemetry(metrics or Metrics(), AccessLog(settings.access_log))
    app = FastAPIOffline(
        title=openapi.TITLE,
        version=__version__,
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        redoc_url=None,
        static_url="/docs/static",
        swagger_ui_parameters=openapi.SWAGGER_UI,
        telemetry=FRAMEWORK_TELEMETRY,
        lifespan=_lifespan(settings, models, heartbeats or Heartbeats(1), slot, telemetry),
    )
    app.state.stopping = asyncio.Event()  # set by whoever runs the server
    install_error_handlers(app)
    for module in ROUTED:
        app.include_router(module.router)
    _surround(app, settings, telemetry)
    return app


def _lifespan(
    settings: Settings,
    models: Mapping[str, Model] | None,
    heartbeats: Heartbeats,
    slot: int,
    telemetry: Telemetry,
) -> Lifespan:
    """From start to stop: models opened, the pipeline run and watched, traces sent."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        opened = await asyncio.to_thread(open_models, settings) if models is None else models
        async with open_pipeline(settings, opened, observer=telemetry) as pipeline:
            note_models(pipeline, telemetry.metrics)
            watches = (
                keep_watch(pipeline, heartbeats, slot, settings.hang_timeout_s),
                watch_queues(pipeline, telemetry.metrics),
            )
            watching = [asyncio.create_task(watch) for watch in watches]
            async with open_tracer(settings.otlp_endpoint) as telemetry.tracer:
                yield {"pipeline": pipeline, "metrics": telemetry.metrics}
                await pipeline.close()  # what runs may hang even now
            for watch in watching:
                watch.cancel()

    return lifespan


def _surround(app: FastAPI, settings: Settings, telemetry: Telemetry) -> None:
    """Lay the service's own layers around the framework's; `add_middleware` puts them within."""
    rule = BodyRule(settings.max_body_bytes, settings.body_timeout_ms)
    special = {
        files.FILE_PATH: BodyRule(settings.max_file_bytes, settings.body_timeout_ms),
        stream.STREAM_PATH: BodyRule(None, settings.stream_idle_ms),
    }
    build_framework = app.build_middleware_stack

    def build_stack() -> ASGIApp:
        limited = BodyLimit(build_framework(), rule, special)
        observed = Observed(DefectNet(limited), telemetry)
        lean = [*predict.router.routes, *analyze.router.routes]
        return Express(observed, lean, telemetry, settings.max_body_bytes)

    app.build_middleware_stack = build_stack  # type: ignore[method-assign]
