from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.bulk import in_order
from service.errors import BodyTimeout
from tests.service.fakes import settle

pytestmark = pytest.mark.anyio


class Bench:
    """Windows that are numbers, read without end and answered when the test says so."""

    def __init__(self, error: Exception | None = None, count: int = 10**6) -> None:
        self.read = 0
        self.answers: dict[int, asyncio.Future[str]] = {}
        self.error = error
        self.count = count

    async def windows(self) -> AsyncIterator[int]:
        while self.read < self.count:
            self.read += 1
            yield self.read
        if self.error:
            raise self.error

    async def answer(self, window: int) -> str:
        self.answers[window] = asyncio.get_running_loop().create_future()
        return await self.answers[window]


async def collect(answered: AsyncIterator[tuple[int, str]], into: list[Any]) -> None:
    async for window, text in answered:
        into.append((window, text))


async def test_windows_are_answered_side_by_side_and_given_in_order() -> None:
    bench, got = Bench(count=3), list[Any]()
    async with in_order(bench.windows(), bench.answer, ahead=3) as answered:
        collecting = asyncio.create_task(collect(answered, got))
        await settle()
        for window in (3, 2):
            bench.answers[window].set_result(f"of {window}")
            await settle()
            assert got == []
        bench.answers[1].set_result("of 1")
        await collecting
    assert got == [(1, "of 1"), (2, "of 2"), (3, "of 3")]


async def test_no_more_is_read_than_is_taken() -> None:
    bench = Bench()
    async with in_order(bench.windows(), bench.answer, ahead=2) as answered:
        await settle()
        assert set(bench.answers) == {1, 2}
        assert bench.read == 3  # one waits for its turn
        bench.answers[1].set_result("")
        bench.answers[2].set_result("")
        await settle()
        assert bench.read == 3  # answered, but not taken
        await anext(answered)
        await anext(answered)
        await settle()
        assert set(bench.answers) == {1, 2, 3}


async def test_what_reading_raises_comes_after_the_answers() -> None:
    bench, got = Bench(BodyTimeout("nothing came"), count=2), list[Any]()
    async with in_order(bench.windows(), bench.answer) as answered:
        collecting = asyncio.create_task(collect(answered, got))
        await settle()
        bench.answers[1].set_result("")
        bench.answers[2].set_result("")
        with pytest.raises(BodyTimeout):
            await collecting
    assert [window for window, _ in got] == [1, 2]


async def test_leaving_cancels_what_is_under_way() -> None:
    bench = Bench()
    async with in_order(bench.windows(), bench.answer, ahead=2):
        await settle()
    assert [answer.cancelled() for answer in bench.answers.values()] == [True, True]
