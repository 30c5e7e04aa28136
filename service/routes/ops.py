"""What runs here, and whether it runs well."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service import __version__
from service.lane import Lane
from service.pipeline import Pipeline
from service.routes.documented import documented_errors
from service.routes.stages import MetricsPage, PipelineStage
from service.schemas import (
    HealthResponse,
    InfoResponse,
    LimitsInfo,
    ModelInfo,
    ModelsResponse,
)

router = APIRouter(tags=["operations"])

METRICS_CONTENT = {
    media_type: {"schema": {"type": "string"}}
    for media_type in ("text/plain", "application/openmetrics-text")
}


@router.get("/info", summary="The service, its default model and its limits")
async def show_info(pipeline: PipelineStage) -> InfoResponse:
    """Which version runs with which model and provider, and what one request may hold."""
    default = pipeline.default
    settings = pipeline.settings
    limits = LimitsInfo(
        max_inputs=settings.max_inputs,
        max_text_chars=settings.max_text_chars,
        max_tokens=default.limits.max_tokens,
        max_body_bytes=settings.max_body_bytes,
        max_file_bytes=settings.max_file_bytes,
        max_queue_tokens=settings.max_queue_tokens,
        explain_max_words=settings.explain_max_words,
        timeout_ms=settings.timeout_ms,
        stream_idle_ms=settings.stream_idle_ms,
    )
    model = _describe(default, pipeline)
    return InfoResponse(service="sentiment", version=__version__, model=model, limits=limits)


@router.get("/models", summary="The models that are served")
async def list_models(pipeline: PipelineStage) -> ModelsResponse:
    """Every model that a request can name, the default one first."""
    lanes = pipeline.lanes.values()
    return ModelsResponse(models=[_describe(lane, pipeline) for lane in lanes])


@router.get("/health/live", summary="Whether the process answers")
async def check_live() -> HealthResponse:
    """Always 200 while the process can answer at all: restart it when this fails."""
    return HealthResponse(status="ok")


@router.get(
    "/health/ready",
    summary="Whether the models answer",
    responses=documented_errors(503, 504),
)
async def check_ready(pipeline: PipelineStage) -> HealthResponse:
    """Runs every model on a real text. 503 when one fails or the service is stopping."""
    await pipeline.probe()
    return HealthResponse(status="ok")


@router.get(
    "/metrics",
    summary="What was counted and measured, for Prometheus",
    response_class=Response,
    responses={200: {"description": "Metrics of all processes.", "content": METRICS_CONTENT}},
)
def show_metrics(request: Request, metrics: MetricsPage) -> Response:
    """In the format that the header Accept asks for: Prometheus's own text, or OpenMetrics."""
    # Not async: in a thread, since many processes have many numbers to add up.
    page, content_type = metrics.render(request.headers.get("accept", ""))
    return Response(page, headers={"content-type": content_type})


def _describe(lane: Lane, pipeline: Pipeline) -> ModelInfo:
    manifest = lane.model.manifest
    return ModelInfo(
        name=lane.name,
        default=lane is pipeline.default,
        bundle=manifest.name,
        version=manifest.version,
        labels=list(manifest.labels),
        languages=list(manifest.languages),
        max_tokens=lane.limits.max_tokens,
        provider=lane.model.engine.provider,
        precision=manifest.precision,
    )
