"""POST /analyze: documents, their sentences, and which words moved them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.analysis import PASSES, analyze
from service.answers import format_server_timing
from service.aside import call_aside
from service.documents import AnalyzeRequest, AnalyzeResponse, describe_analyses
from service.examples import ANALYZE_EXAMPLES, ANALYZED_EXAMPLES
from service.routes.deadline import TIMEOUT_PARAMETER, read_timeout_ms
from service.routes.disconnect import while_connected
from service.routes.documented import SERVER_TIMING, documented_errors
from service.routes.lean import LeanRoute
from service.routes.stages import get_pipeline
from service.schemas import list_texts

router = APIRouter(tags=["analyze"], route_class=LeanRoute)

ANALYZED = {
    "description": "One analysis per input, in order. An input that cannot be answered has "
    "an `error` in its place.",
    "headers": SERVER_TIMING,
    "content": {"application/json": {"examples": ANALYZED_EXAMPLES}},
}


@router.post(
    "/analyze",
    summary="The sentiment of documents, sentence by sentence",
    response_model=AnalyzeResponse,
    responses={200: ANALYZED, **documented_errors(400, 404, 408, 413, 415, 422, 429, 503, 504)},
    openapi_extra={"parameters": [TIMEOUT_PARAMETER]},
)
async def analyze_documents(
    body: Annotated[AnalyzeRequest, Body(openapi_examples=ANALYZE_EXAMPLES)],
    request: Request,
) -> Response:
    """Send one document or a list of documents, in any mix of the model's languages.

    Each is answered as a whole and by its sentences. `score` runs from -1 to 1; `mixed` says
    that praise and complaint meet: one sentence or more is positive, and one or more negative.
    Offsets and lengths count Unicode code points.

    With `explain`, every word has its `effect`: the score less the score of the document
    without that word. Effects need not add up to the score: `remainder` is what is missing.

    A document in a list that cannot be answered (empty, unreadable, too long, too many words
    to explain) has `{"error": …}` in its place, as with `POST /predict`.
    """
    texts = list_texts(body.inputs)
    work = analyze(
        get_pipeline(request),
        texts,
        model=body.model,
        explain=body.explain,
        truncate=body.truncate,
        timeout_ms=read_timeout_ms(request),
    )
    analyses = await while_connected(request, work)

    def render() -> str:
        answer = describe_analyses(analyses, alone=isinstance(body.inputs, str))
        return answer.model_dump_json(exclude_none=True)

    return Response(
        await call_aside(render, PASSES * sum(map(len, texts))),
        media_type="application/json",
        headers={"Server-Timing": format_server_timing(analyses.reply.timing)},
    )
