"""Every error to HTTP, in one place and in one shape, but for a protocol that has its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

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
from service.infer import describe_oip_error
from service.records import CLIENT_CLOSED_REQUEST, current_record
from service.schemas import Given, describe_error

OIP_PATH = re.compile(r"/v2(/|$)")
MAX_PARAM_CHARS = 100
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MESSAGES = {  # what the framework's own errors are called here
    400: MalformedBody("the body cannot be read as JSON in UTF-8"),
    404: NotFound("there is no such route; GET /docs lists them"),
    405: MethodNotAllowed("the route does not take this method; see the header Allow"),
}


def local_path(scope: Scope) -> str:
    """The path of a request, without what a proxy has put in front."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def install_error_handlers(app: FastAPI) -> None:
    """Give every error of `app` the one schema."""
    for kind, answer in _HANDLERS.items():
        app.add_exception_handler(kind, answer)


async def answer_error(request: Request, error: Exception) -> Response:
    """The answer that the handlers give; an error that they do not know is raised again."""
    for kind, answer in _HANDLERS.items():
        if isinstance(error, kind):
            return await answer(request, error)
    raise error


def error_response(
    scope: Scope,
    error: RequestError,
    status: int | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The HTTP answer for an error, with Retry-After where coming back helps."""
    if record := current_record.get():
        record.refusal = error.type
    headers = dict(headers or {})
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, BodyTimeout):
        headers["Connection"] = "close"  # what may still come is no next request
    content = _describe(scope, error).model_dump(exclude_none=True)
    return JSONResponse(content, status or STATUS[type(error)], headers)


async def _answer_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(request.scope, error)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(request.scope, _name_first(error.errors()[0]))


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # FastAPI turns whatever reading the body raised into a 400, with the cause attached.
    if isinstance(error.__cause__, RequestError):
        return error_response(request.scope, error.__cause__)
    named = MESSAGES.get(error.status_code, RequestError(str(error.detail)))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_find_methods(request))
    return error_response(request.scope, named, error.status_code, headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    RequestError: _answer_request_error,
    RequestValidationError: _answer_validation_error,
    HTTPException: _answer_http_exception,
    ClientDisconnect: _answer_nobody,
}


def _find_methods(request: Request) -> list[str]:
    """Every method that the path takes; the framework names those of the first route only."""
    routes = request.app.router.routes
    scopes = [{**request.scope, "method": method} for method in METHODS]
    return [
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] == Match.FULL for route in routes)
    ]


def _describe(scope: Scope, error: RequestError) -> Given:
    """In the one schema, but under /v2 in that of the Open Inference Protocol."""
    return describe_oip_error(error) if OIP_PATH.match(local_path(scope)) else describe_error(error)


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
