"""/v2: the Open Inference Protocol, for the clients of KServe and Triton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service import __version__
from service.answers import format_server_timing, require_outcomes
from service.encodings import decode_body
from service.errors import InvalidInput, MalformedBody, NotFound
from service.examples import INFER_EXAMPLES, INFERRED_EXAMPLES
from service.infer import (
    EXTENSIONS,
    describe_model,
    describe_outputs,
    read_texts,
    write_response,
)
from service.lane import Lane
from service.oip import (
    IndexedModel,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from service.openapi import inline_schema
from service.routes.bodies import BINARY, require_json_or_binary
from service.routes.deadline import TIMEOUT_PARAMETER, read_timeout_ms
from service.routes.disconnect import while_connected
from service.routes.documented import SERVER_TIMING, documented_oip_errors
from service.routes.stages import PipelineStage
from service.tensors import name_text, split_body

JSON_LENGTH = "Inference-Header-Content-Length"

# Not declared as parameters of the functions: one function serves paths with and without a
# version, and FastAPI would document a 422 that cannot be.
NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "One of `GET /models`.",
    "schema": {"type": "string"},
    "example": "default",
}
VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The version of the model's bundle.",
    "schema": {"type": "string"},
    "example": "1",
}

router = APIRouter(prefix="/v2", tags=["open inference protocol"])


def _find_lane(request: Request, pipeline: PipelineStage) -> Lane:
    name, version = request.path_params["name"], request.path_params.get("version")
    lane = pipeline.find_lane(name)
    served = lane.model.manifest.version
    if version not in (None, served):
        raise NotFound(f"there is no such version of the model; available: {served}", "version")
    return lane


Named = Annotated[Lane, Depends(_find_lane)]


@dataclass(frozen=True)
class Asked:
    """An infer request, read: its JSON object, and the texts."""

    request: InferRequest
    texts: list[str]


async def _read_infer_request(
    request: Request,
    pipeline: PipelineStage,
    json_bytes: Annotated[
        int | None,
        Header(
            alias=JSON_LENGTH,
            ge=1,
            description="Bytes of the JSON object, when tensors follow it as binary data.",
        ),
    ] = None,
) -> Asked:
    encoding = request.headers.get("content-encoding", "identity")
    limit = pipeline.settings.max_body_bytes
    body = decode_body(await request.body(), encoding, limit)
    json, binary = split_body(body, json_bytes)
    parsed = _parse(json)
    return Asked(parsed, read_texts(parsed, binary))


def _parse(json: bytes) -> InferRequest:
    try:
        return InferRequest.model_validate_json(json)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise MalformedBody(f"the body is not JSON: {first['ctx']['error']}") from None
        first["loc"] = ("body", *first["loc"])
        raise RequestValidationError([first]) from None  # the cause would quote the text


AskedTexts = Annotated[Asked, Depends(_read_infer_request)]


INFERRED = {
    "description": "The tensors that were wanted. When one of them is wanted as binary data, the "
    f"body is the JSON object and what follows it, and {JSON_LENGTH} gives the object's length.",
    "headers": SERVER_TIMING,
    "content": {
        "application/json": {"examples": INFERRED_EXAMPLES},
        BINARY: {"schema": {"type": "string", "contentMediaType": BINARY}},
    },
}
INFER_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": inline_schema(InferRequest), "examples": INFER_EXAMPLES},
        BINARY: {"schema": {"type": "string", "contentMediaType": BINARY}},
    },
}
MODEL = "/models/{name}"
VERSION_OF_MODEL = "/models/{name}/versions/{version}"
SHOW: dict[str, Any] = {
    "response_model_exclude_none": True,
    "responses": documented_oip_errors(404),
}
READY: dict[str, Any] = {"responses": documented_oip_errors(404, 503, 504)}
INFER: dict[str, Any] = {
    "response_model": InferResponse,
    "responses": {
        200: INFERRED,
        **documented_oip_errors(400, 404, 408, 413, 415, 422, 429, 503, 504),
    },
    "dependencies": [Depends(require_json_or_binary)],
}


@router.get("", summary="The server's name, version and extensions")
async def show_server() -> ServerMetadata:
    """Which service answers, and which extensions of the protocol it has."""
    return ServerMetadata(name="sentiment", version=__version__, extensions=EXTENSIONS)


@router.get("/health/live", summary="Whether the process answers")
async def check_server_live() -> ServerLive:
    """Always 200 while the process can answer at all."""
    return ServerLive(live=True)


@router.get(
    "/health/ready",
    summary="Whether the models answer",
    responses=documented_oip_errors(503, 504),
)
async def check_server_ready(pipeline: PipelineStage) -> ServerReady:
    """Runs every model on a real text, as `GET /health/ready` does."""
    await pipeline.probe()
    return ServerReady(ready=True)


@router.post("/repository/index", summary="The models that are served")
async def index_models(pipeline: PipelineStage) -> list[IndexedModel]:
    """Every model that a request can name. None can be loaded or unloaded."""
    return [
        IndexedModel(name=lane.name, version=lane.model.manifest.version, state="READY")
        for lane in pipeline.lanes.values()
    ]


@router.get(MODEL, summary="A model's tensors", openapi_extra={"parameters": [NAME]}, **SHOW)
@router.get(
    VERSION_OF_MODEL,
    summary="A model's tensors, by version",
    openapi_extra={"parameters": [NAME, VERSION]},
    **SHOW,
)
async def show_model(lane: Named) -> ModelMetadata:
    """What the model takes and gives; `parameters` of `scores` names its columns."""
    return describe_model(lane.name, lane.model.manifest)


@router.get(
    f"{MODEL}/ready",
    summary="Whether a model answers",
    openapi_extra={"parameters": [NAME]},
    **READY,
)
@router.get(
    f"{VERSION_OF_MODEL}/ready",
    summary="Whether a model answers, by version",
    openapi_extra={"parameters": [NAME, VERSION]},
    **READY,
)
async def check_model_ready(lane: Named, pipeline: PipelineStage) -> ModelReady:
    """Ready when every model of the service is."""
    await pipeline.probe()
    return ModelReady(name=lane.name, ready=True)


@router.post(
    f"{MODEL}/infer",
    summary="The sentiment of a tensor of texts",
    openapi_extra={"parameters": [NAME, TIMEOUT_PARAMETER], "requestBody": INFER_BODY},
    **INFER,
)
@router.post(
    f"{VERSION_OF_MODEL}/infer",
    summary="The sentiment of a tensor of texts, by version",
    openapi_extra={"parameters": [NAME, VERSION, TIMEOUT_PARAMETER], "requestBody": INFER_BODY},
    **INFER,
)
async def infer(
    lane: Named, asked: AskedTexts, request: Request, pipeline: PipelineStage
) -> Response:
    """Takes the tensor `text`, gives `label`, `score` and `scores`, the same as `POST /predict`.

    `score` and `scores` are FP64; the columns of `scores` are the model's labels in the order of
    `GET /v2/models/{name}`. Tensors go as JSON or as binary data, and the body may be compressed
    (`Content-Encoding: gzip` or `deflate`). The protocol has no place for one text's error: when
    a text cannot be answered the whole request is refused with that text's error and its index.
    """
    if asked.request.model_name not in (None, lane.name):
        raise InvalidInput("is not the model in the path", "model_name")
    options = asked.request.options
    work = pipeline.predict(
        asked.texts,
        model=lane.name,
        raw_scores=options.raw_scores,
        truncate=options.truncate,
        timeout_ms=read_timeout_ms(request),
    )
    reply = await while_connected(request, work)
    model = describe_model(lane.name, lane.model.manifest)
    outputs = describe_outputs(require_outcomes(reply, name_text), lane.model.manifest.labels)
    content, json_bytes = write_response(model, asked.request, outputs)
    headers = {"Server-Timing": format_server_timing(reply.timing)}
    if json_bytes is None:
        return Response(content, headers=headers, media_type="application/json")
    headers[JSON_LENGTH] = str(json_bytes)
    return Response(content, headers=headers, media_type=BINARY)
