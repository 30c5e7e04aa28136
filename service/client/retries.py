"""Which requests are worth another try, and how long to wait before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2 as httpx
from tenacity import RetryCallState, retry_if_exception_type, retry_if_result
from tenacity.wait import wait_random_exponential

RETRIED_STATUS = frozenset({429, 503})
# Every route can be asked again without harm. A try that ran out of time is not repeated: it
# would take as long again, and the work of the first may still be under way.
RETRIED_ERRORS = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a request is tried.

    `tries` counts the first one too. The wait before the next is drawn from 0 to
    `first_wait_s`, then to twice as much and so on, never over `max_wait_s`; after an answer
    with Retry-After it comes on top of that. When that asks for more than `max_wait_s`, there
    is no further try.
    """

    tries: int = 6
    first_wait_s: float = 0.25
    max_wait_s: float = 30.0

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"tries must be at least 1, it is {self.tries}")


DEFAULT_RETRIES = RetryPolicy()


def retry_arguments(policy: RetryPolicy, clock: Callable[[], float]) -> dict[str, Any]:
    """What tenacity is to be told, for blocking calls and others; `clock` gives Unix time."""
    backoff = wait_random_exponential(multiplier=policy.first_wait_s, max=policy.max_wait_s)

    def wait_s(state: RetryCallState) -> float:
        return _asked_wait_s(state, clock()) + backoff(state)

    def is_enough(state: RetryCallState) -> bool:
        asked_too_long = _asked_wait_s(state, clock()) > policy.max_wait_s
        return asked_too_long or state.attempt_number >= policy.tries

    return {
        "retry": retry_if_result(is_worth_retrying) | retry_if_exception_type(RETRIED_ERRORS),
        "wait": wait_s,
        "stop": is_enough,
        "retry_error_callback": _give_last,
    }


def is_worth_retrying(response: httpx.Response) -> bool:
    """Whether the same request may do better a moment later."""
    return response.status_code in RETRIED_STATUS


def read_retry_after_s(response: httpx.Response, now_s: float) -> float:
    """Seconds that the header Retry-After asks to wait (RFC 9110, 10.2.3); 0 without it."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except ValueError:
        return 0.0


def _asked_wait_s(state: RetryCallState, now_s: float) -> float:
    assert state.outcome is not None
    return 0.0 if state.outcome.failed else read_retry_after_s(state.outcome.result(), now_s)


def _give_last(state: RetryCallState) -> Any:
    """When there is no further try, the last answer or error is the caller's."""
    assert state.outcome is not None
    return state.outcome.result()
