"""POST /predict: texts to sentiments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.answers import describe_reply, format_server_timing
from service.examples import PREDICT_EXAMPLES, PREDICTED_EXAMPLES
from service.routes.deadline import TIMEOUT_PARAMETER, read_timeout_ms
from service.routes.disconnect import while_connected
from service.routes.documented import SERVER_TIMING, documented_errors
from service.routes.lean import LeanRoute
from service.routes.stages import get_pipeline
from service.schemas import PredictRequest, PredictResponse, list_texts

router = APIRouter(tags=["predict"], route_class=LeanRoute)

PREDICTED = {
    "description": "One prediction per input, in order. An input that cannot be answered has "
    "an `error` in its place.",
    "headers": SERVER_TIMING,
    "content": {"application/json": {"examples": PREDICTED_EXAMPLES}},
}


@router.post(
    "/predict",
    summary="The sentiment of one text or many",
    response_model=PredictResponse,
    responses={200: PREDICTED, **documented_errors(400, 404, 408, 413, 415, 422, 429, 503, 504)},
    openapi_extra={"parameters": [TIMEOUT_PARAMETER]},
)
async def predict(
    body: Annotated[PredictRequest, Body(openapi_examples=PREDICT_EXAMPLES)],
    request: Request,
) -> Response:
    """Send one text or a list of texts, in any mix of the model's languages.

    The answer holds one prediction per input, in the order of the inputs. A text in a list
    that cannot be answered (empty, unreadable, too long) has `{"error": …}` in its place, and
    the others are answered. When no input at all can be answered, the request as a whole is
    answered with the first one's error and its status.

    The same text gets the same answer, to the last bit, alone and among any others.
    """
    texts = list_texts(body.inputs)
    work = get_pipeline(request).predict(
        texts,
        model=body.model,
        raw_scores=body.raw_scores,
        truncate=body.truncate,
        timeout_ms=read_timeout_ms(request),
    )
    reply = await while_connected(request, work)
    answer = describe_reply(reply, alone=isinstance(body.inputs, str), top_k=body.top_k)
    return Response(
        answer.model_dump_json(exclude_none=True),
        media_type="application/json",
        headers={"Server-Timing": format_server_timing(reply.timing)},
    )
