"""What is tried again and how long is waited, on a transport that answers as told."""

from __future__ import annotations

import asyncio

import httpx2 as httpx
import pytest

from service.client import (
    AsyncSentimentClient,
    NoAnswer,
    RetryPolicy,
    SentimentClient,
    UnexpectedAnswer,
)
from service.client.retries import read_retry_after_s
from service.errors import Overloaded

NOW_S = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
IN_A_MINUTE = "Sun, 06 Nov 1994 08:50:37 GMT"
OK = httpx.Response(200, json={"models": []})
REFUSED = httpx.ConnectError("connection refused")


def refusal(status: int = 429, retry_after: str | None = None) -> httpx.Response:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    error = {"type": "overloaded", "message": "the queue is full"}
    return httpx.Response(status, json={"error": error}, headers=headers)


class Script:
    """A client whose requests get these answers, one after the other, and what it waited."""

    def __init__(self, *answers: httpx.Response | Exception, **policy: float) -> None:
        self._answers = iter(answers)
        self.waits_s: list[float] = []
        self.client = SentimentClient(
            retries=RetryPolicy(**policy),  # type: ignore[arg-type]
            transport=httpx.MockTransport(self._answer),
            sleep=self.waits_s.append,
            clock=lambda: NOW_S,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def unused(self) -> int:
        return len(list(self._answers))


@pytest.mark.parametrize(
    "answer",
    [refusal(429), refusal(503), REFUSED, httpx.ReadError("reset"), httpx.ConnectTimeout("late")],
    ids=["429", "503", "refused", "reset", "connect"],
)
def test_another_try_may_do_better(answer: httpx.Response | Exception) -> None:
    script = Script(answer, OK)
    assert script.client.models() == []
    assert len(script.waits_s) == 1


@pytest.mark.parametrize("status", [400, 422, 500, 502, 504])
def test_other_answers_are_final(status: int) -> None:
    script = Script(httpx.Response(status), OK)
    with pytest.raises(UnexpectedAnswer):
        script.client.models()
    assert script.unused() == 1


def test_a_try_that_took_too_long_is_not_repeated() -> None:
    script = Script(httpx.ReadTimeout("late"), OK)
    with pytest.raises(NoAnswer, match=r"/models: ReadTimeout: late"):
        script.client.models()
    assert script.unused() == 1


def test_tries_are_limited_and_the_last_error_raised() -> None:
    script = Script(REFUSED, refusal(), REFUSED, OK, tries=3)
    with pytest.raises(NoAnswer, match="refused"):
        script.client.models()
    assert script.unused() == 1
    script = Script(REFUSED, refusal(), OK, tries=2)
    with pytest.raises(Overloaded, match="the queue is full"):
        script.client.models()


def test_waits_grow_up_to_the_cap_and_are_jittered() -> None:
    refusals = [refusal()] * 60
    script = Script(*refusals, OK, tries=100, first_wait_s=1, max_wait_s=4)
    script.client.models()
    for wait_s, cap_s in zip(script.waits_s, [1, 2, *[4] * 58], strict=True):
        assert 0 <= wait_s <= cap_s
    assert len(set(script.waits_s)) == 60


@pytest.mark.parametrize(("value", "asked_s"), [("7", 7), (IN_A_MINUTE, 60), ("0", 0)])
def test_never_comes_back_before_retry_after(value: str, asked_s: float) -> None:
    script = Script(refusal(retry_after=value), OK, first_wait_s=1, max_wait_s=60)
    script.client.models()
    (wait_s,) = script.waits_s
    assert asked_s <= wait_s <= asked_s + 1


def test_gives_up_where_it_is_asked_to_wait_too_long() -> None:
    script = Script(refusal(retry_after="61"), OK, max_wait_s=60)
    with pytest.raises(Overloaded):
        script.client.models()
    assert script.waits_s == []


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "٣", "Sun, 06 Nov 1994 08:49:00 GMT"])
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    headers = {"retry-after": value.encode()}
    assert read_retry_after_s(httpx.Response(429, headers=headers), NOW_S) == 0


def test_a_policy_without_a_try_is_refused() -> None:
    with pytest.raises(ValueError, match="tries must be at least 1, it is 0"):
        RetryPolicy(tries=0)


def test_requests_of_one_client_are_tried_each_for_itself() -> None:
    answers = iter([refusal()] * 20 + [httpx.Response(200, json={"models": []})] * 20)
    transport = httpx.MockTransport(lambda request: next(answers))

    async def ask() -> list[object]:
        policy = RetryPolicy(tries=2)
        async with AsyncSentimentClient(
            transport=transport, retries=policy, sleep=lambda _: asyncio.sleep(0)
        ) as client:
            return await asyncio.gather(*(client.models() for _ in range(20)))

    assert asyncio.run(ask()) == [[]] * 20
