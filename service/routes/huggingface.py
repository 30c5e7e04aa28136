"""POST /: Hugging Face Inference, for the clients that speak it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response

from service.answers import format_server_timing, name_input, require_outcomes
from service.examples import CLASSIFIED_EXAMPLES, CLASSIFY_EXAMPLES
from service.huggingface import (
    ClassificationParameters,
    ClassificationRequest,
    LabelScore,
    describe_labels,
)
from service.routes.bodies import require_json
from service.routes.deadline import TIMEOUT_PARAMETER, read_timeout_ms
from service.routes.disconnect import while_connected
from service.routes.documented import SERVER_TIMING, documented_errors
from service.routes.stages import PipelineStage
from service.schemas import list_texts

router = APIRouter(tags=["hugging face"])

CLASSIFIED = {
    "description": "For each text its labels, the most probable first. One text gets a list too.",
    "headers": SERVER_TIMING,
    "content": {"application/json": {"examples": CLASSIFIED_EXAMPLES}},
}


@router.post(
    "/",
    summary="Text classification as Hugging Face Inference has it",
    responses={200: CLASSIFIED, **documented_errors(400, 408, 413, 415, 422, 429, 503, 504)},
    dependencies=[Depends(require_json)],
    openapi_extra={"parameters": [TIMEOUT_PARAMETER]},
)
async def classify(
    body: Annotated[ClassificationRequest, Body(openapi_examples=CLASSIFY_EXAMPLES)],
    request: Request,
    response: Response,
    pipeline: PipelineStage,
) -> list[list[LabelScore]]:
    """For `huggingface_hub.InferenceClient(model=…).text_classification` and its like.

    The default model answers, with the scores of `POST /predict`. The protocol has no place for
    one text's error: when a text in a list cannot be answered, the whole request is refused with
    that text's error, and `param` names the text.
    """
    alone = isinstance(body.inputs, str)
    texts = list_texts(body.inputs)
    parameters = body.parameters or ClassificationParameters()
    work = pipeline.predict(
        texts,
        raw_scores=parameters.function_to_apply == "none",
        truncate=bool(parameters.truncation),
        timeout_ms=read_timeout_ms(request),
    )
    reply = await while_connected(request, work)
    outcomes = require_outcomes(reply, lambda index: name_input(index, alone=alone))
    response.headers["Server-Timing"] = format_server_timing(reply.timing)
    return describe_labels(outcomes, parameters.top_k)
