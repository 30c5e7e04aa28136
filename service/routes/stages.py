"""Hands the pipeline that the application opened to the handlers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.pipeline import Pipeline


def _get_pipeline(request: Request) -> Pipeline:
    pipeline: Pipeline = request.state.pipeline
    return pipeline


PipelineStage = Annotated[Pipeline, Depends(_get_pipeline)]
