"""The errors of a route, for its entry in the OpenAPI page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.errors import (
    BodyTimeout,
    DeadlineExceeded,
    InvalidInput,
    MalformedBody,
    NotFound,
    Overloaded,
    RequestError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from service.infer import describe_oip_error
from service.schemas import Given, describe_error

REASONS: dict[int, tuple[str, RequestError]] = {
    400: (
        "The body is not JSON.",
        MalformedBody("the body is not JSON: Expecting value at 11"),
    ),
    404: (
        "There is no such model.",
        NotFound("there is no such model; available: default", "model"),
    ),
    408: (
        "The body did not come, or stopped coming.",
        BodyTimeout("nothing of the body came for 10000 ms"),
    ),
    413: (
        "The body, the list of texts or a text is beyond its limit.",
        TooLarge(
            "the text has 2000000 characters, the limit is 131072; send less, or truncate", "inputs"
        ),
    ),
    415: (
        "The body is of another content type.",
        UnsupportedMedia("the content type must be application/json, it is text/plain"),
    ),
    422: (
        "The body is JSON, but a field is unknown, of the wrong type or out of range, "
        "a header is, or no text in it can be read.",
        InvalidInput("the text is empty", "inputs"),
    ),
    429: (
        "The queue is full. Come back after the seconds in the header Retry-After.",
        Overloaded(
            "1048000 tokens wait and 900 more would pass the limit of 1048576; try again later"
        ),
    ),
    503: (
        "The model cannot answer now, or the service is stopping.",
        Unavailable("the service is stopping"),
    ),
    504: (
        "The answer was not ready in time.",
        DeadlineExceeded("no answer within 30000 ms"),
    ),
}

SERVER_TIMING = {
    "Server-Timing": {
        "description": "Milliseconds spent: tokenize, queue, infer and total.",
        "schema": {"type": "string"},
    }
}


def documented_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for these statuses, each with the one schema and an example."""
    return {status: _document(status, describe_error) for status in statuses}


def documented_oip_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same in the schema of the Open Inference Protocol."""
    return {status: _document(status, describe_oip_error) for status in statuses}


def _document(status: int, describe: Callable[[RequestError], Given]) -> dict[str, Any]:
    reason, error = REASONS[status]
    example = describe(error)
    return {
        "model": type(example),
        "description": reason,
        "content": {"application/json": {"example": example.model_dump(exclude_none=True)}},
    }
