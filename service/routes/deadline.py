"""How long a client waits for its answer."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request

from service.errors import InvalidInput

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
LONGEST_MS = 999_999_999
MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}")

# By hand and not as a parameter of the route: FastAPI takes as long for it as a short run does.
TIMEOUT_PARAMETER: dict[str, Any] = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "required": False,
    "description": "Milliseconds that the client waits for its answer. A request that is not "
    "answered by then gets 504, and what of it still waits is dropped. "
    "It can only lower the service's own limit, `timeout_ms` of `GET /info`.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_MS},
    "example": 500,
}


def read_timeout_ms(request: Request) -> int | None:
    """The header of a request, None without it; InvalidInput when it is no such number."""
    value = request.headers.get(TIMEOUT_HEADER)
    if value is None:
        return None
    if not MILLISECONDS.fullmatch(value):
        raise InvalidInput(
            f"must be a whole number of milliseconds from 1 to {LONGEST_MS}", TIMEOUT_HEADER
        )
    return int(value)
