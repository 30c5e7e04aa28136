"""Hands the pipeline that the application opened to the handlers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.metrics import Metrics
from service.pipeline import Pipeline


def get_pipeline(request: Request) -> Pipeline:
    """The pipeline of the application that got the request."""
    pipeline: Pipeline = request.scope["state"]["pipeline"]  # `request.state` takes longer
    return pipeline


PipelineStage = Annotated[Pipeline, Depends(get_pipeline)]


def _get_metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


MetricsPage = Annotated[Metrics, Depends(_get_metrics)]
