"""Routes of one JSON body, called past the framework's dependencies."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from service.errors import MalformedBody
from service.jsonlines import parse_json
from service.routes.bodies import require_json


class LeanRoute(APIRoute):
    """A route of one JSON body, documented by FastAPI and called past its dependencies.

    FastAPI solves dependencies, validates the answer and encodes it once more: most of the
    time of a request whose model runs for less than a millisecond. The endpoint of such a
    route takes `(body, request)` and returns a finished Response; its body is checked by
    the same model, with the same errors, as FastAPI would.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, called with its body."""
        assert self.body_field is not None
        body_type: type[BaseModel] = self.body_field.field_info.annotation  # type: ignore[assignment]
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            require_json(request)
            body = _validate(body_type, _parse(await _read_body(request)))
            response: Response = await endpoint(body, request)
            return response

        return handle


async def _read_body(request: Request) -> bytes:
    """The whole body; mostly it comes in one piece. Raises ClientDisconnect when it does not."""
    parts = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _parse(content: bytes) -> Any:
    if not content:
        raise MalformedBody("the body is empty; send a JSON object")
    return parse_json(content, "body")


def _validate(body_type: type[BaseModel], content: Any) -> BaseModel:
    try:
        return body_type.model_validate(content)
    except ValidationError as error:
        located = [{**found, "loc": ("body", *found["loc"])} for found in error.errors()]
        raise RequestValidationError(located) from None
