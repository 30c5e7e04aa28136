"""Every error to HTTP, in one place and in one shape."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.errors import (
    STATUS,
    BodyTimeout,
    InvalidInput,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RequestError,
)
from service.schemas import describe_error

CLIENT_CLOSED_REQUEST = 499  # nginx's number; only the access log sees it
MAX_PARAM_CHARS = 100
MESSAGES = {  # what the framework's own errors are called here
    400: MalformedBody("the body cannot be read as JSON in UTF-8"),
    404: NotFound("there is no such route; GET /docs lists them"),
    405: MethodNotAllowed("the route does not take this method; see the header Allow"),
}


def install_error_handlers(app: FastAPI) -> None:
    """Give every error of `app` the one schema."""
    app.add_exception_handler(RequestError, _answer_request_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


def error_response(
    error: RequestError, status: int | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The HTTP answer for an error, with Retry-After where coming back helps."""
    headers = dict(headers or {})
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, BodyTimeout):
        headers["Connection"] = "close"  # what may still come is no next request
    content = describe_error(error).model_dump(exclude_none=True)
    return JSONResponse(content, status or STATUS[type(error)], headers)


async def _answer_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(_name_first(error.errors()[0]))


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # FastAPI turns whatever reading the body raised into a 400, with the cause attached.
    if isinstance(error.__cause__, RequestError):
        return error_response(error.__cause__)
    named = MESSAGES.get(error.status_code, RequestError(str(error.detail)))
    return error_response(named, error.status_code, dict(error.headers or {}))


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _name_first(error: dict[str, Any]) -> RequestError:
    """Pydantic's first error, as ours: the field as a dotted path, without its value."""
    if error["type"] == "json_invalid":
        position = error["loc"][-1]
        return MalformedBody(f"the body is not JSON: {error['ctx']['error']} at {position}")
    path = error["loc"][1:]
    if not path:
        if error["type"] == "missing":
            return MalformedBody("the body is empty; send a JSON object")
        return InvalidInput("the body must be a JSON object")
    if error["type"] == "extra_forbidden":
        return InvalidInput("there is no such field", _dotted(path))
    return InvalidInput(str(error["msg"]), _dotted(path))


def _dotted(path: tuple[int | str, ...]) -> str:
    # A client's own field name can be of any length, and hold what UTF-8 cannot.
    dotted = ".".join(map(str, path))[:MAX_PARAM_CHARS]
    return dotted.encode(errors="replace").decode()
