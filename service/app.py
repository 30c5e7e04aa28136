"""The application: wires the stages, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service import __version__, openapi
from service.catalog import open_models
from service.heartbeat import Heartbeats, keep_watch
from service.middleware import BodyLimit, DefectNet
from service.model import Model
from service.pipeline import Pipeline, open_pipeline
from service.routes import huggingface, oip, ops, predict
from service.routes.errors import install_error_handlers
from service.settings import Settings


def create_app(
    settings: Settings,
    models: Mapping[str, Model] | None = None,
    heartbeats: Heartbeats | None = None,
    slot: int = 0,
) -> FastAPI:
    """The service over `models`, which are opened at start from the settings when left out.

    With `heartbeats` it shows that it lives, as the process of `slot`. Starting raises
    BundleError or ProviderError with the reason when a bundle cannot be served.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Pipeline]]:
        opened = await asyncio.to_thread(open_models, settings) if models is None else models
        beats = heartbeats or Heartbeats(1)
        async with open_pipeline(settings, opened) as pipeline:
            watch = keep_watch(pipeline, beats, slot, settings.hang_timeout_s)
            watching = asyncio.create_task(watch)
            yield {"pipeline": pipeline}
            await pipeline.close()  # what runs may hang even now
            watching.cancel()

    app = FastAPIOffline(
        title=openapi.TITLE,
        version=__version__,
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        redoc_url=None,
        static_url="/docs/static",
        swagger_ui_parameters=openapi.SWAGGER_UI,
        lifespan=lifespan,
    )
    app.add_middleware(
        BodyLimit, max_body_bytes=settings.max_body_bytes, timeout_ms=settings.body_timeout_ms
    )
    app.add_middleware(DefectNet)
    install_error_handlers(app)
    app.include_router(predict.router)
    app.include_router(huggingface.router)
    app.include_router(oip.router)
    app.include_router(ops.router)
    return app
