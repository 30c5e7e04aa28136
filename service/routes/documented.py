"""The errors of a route, for its entry in the OpenAPI page."""

from __future__ import annotations

from typing import Any

from service.schemas import ErrorResponse

REASONS: dict[int, tuple[str, dict[str, str]]] = {
    400: (
        "The body is not JSON.",
        {"type": "malformed_body", "message": "the body is not JSON: Expecting value at 11"},
    ),
    404: (
        "There is no such model.",
        {
            "type": "not_found",
            "message": "there is no such model; available: default",
            "param": "model",
        },
    ),
    408: (
        "The body did not come, or stopped coming.",
        {"type": "body_timeout", "message": "nothing of the body came for 10000 ms"},
    ),
    413: (
        "The body, the list of texts or a text is beyond its limit.",
        {
            "type": "too_large",
            "message": "the text has 2000000 characters, the limit is 131072; "
            "send less, or truncate",
            "param": "inputs",
        },
    ),
    415: (
        "The body is not of a JSON content type.",
        {
            "type": "unsupported_media_type",
            "message": "the content type must be application/json, it is text/plain",
        },
    ),
    422: (
        "The body is JSON, but a field is unknown, of the wrong type or out of range, "
        "a header is, or no text in it can be read.",
        {"type": "invalid_input", "message": "the text is empty", "param": "inputs"},
    ),
    429: (
        "The queue is full. Come back after the seconds in the header Retry-After.",
        {
            "type": "overloaded",
            "message": "1048000 tokens wait and 900 more would pass the limit of 1048576; "
            "try again later",
        },
    ),
    503: (
        "The model cannot answer now, or the service is stopping.",
        {"type": "unavailable", "message": "the service is stopping"},
    ),
    504: (
        "The answer was not ready in time.",
        {"type": "deadline_exceeded", "message": "no answer within 30000 ms"},
    ),
}


def documented_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for these statuses, each with the one schema and an example."""
    return {status: _document(*REASONS[status]) for status in statuses}


def _document(reason: str, error: dict[str, str]) -> dict[str, Any]:
    return {
        "model": ErrorResponse,
        "description": reason,
        "content": {"application/json": {"example": {"error": error}}},
    }
