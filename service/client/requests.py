"""What the client sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import httpx2 as httpx

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 30.0
IN_FLIGHT = 4
CONNECT_S = 5.0
GRACE_S = 5.0
LONGEST_S = 999_999.0


class Options(TypedDict, total=False):
    """The fields of POST /predict beside `inputs`; the defaults are the service's."""

    model: str | None
    top_k: int | None
    raw_scores: bool
    truncate: bool


def write_predict(texts: str | Sequence[str], options: Options) -> bytes:
    """The body of POST /predict. Raises TypeError for what is no text."""
    for text in [texts] if isinstance(texts, str) else texts:
        check_text(text)
    # In ASCII: a lone surrogate cannot go in UTF-8, and the service refuses just that text.
    return json.dumps({"inputs": texts, **options}).encode()


def check_text(text: object) -> None:
    """Raise TypeError for what is no text, such as the NaN of an empty cell."""
    if not isinstance(text, str):
        raise TypeError(f"a text must be a str, not {type(text).__name__}: {text!r:.100}")


def connection_arguments(
    url: str, timeout_s: float, headers: Mapping[str, str] | None
) -> dict[str, Any]:
    """What httpx is to be told. The service learns how long its client waits."""
    if not 0.001 <= timeout_s <= LONGEST_S:
        raise ValueError(f"timeout_s must be from 0.001 to {LONGEST_S:.0f}, it is {timeout_s}")
    own = {
        "content-type": "application/json",
        "x-request-timeout-ms": str(int(timeout_s * 1000)),
    }
    # A little longer than the service's own deadline, whose answer says more than a timeout.
    timeout = httpx.Timeout(timeout_s + GRACE_S, connect=min(timeout_s, CONNECT_S))
    return {"base_url": url, "headers": {**own, **(headers or {})}, "timeout": timeout}


def check_in_flight(in_flight: int) -> None:
    if in_flight < 1:
        raise ValueError(f"in_flight must be at least 1, it is {in_flight}")
