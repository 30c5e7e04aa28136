from __future__ import annotations

import asyncio

import pytest

from service.deadline import Deadline
from service.errors import DeadlineExceeded

pytestmark = pytest.mark.anyio


async def wait(timeout_ms: int, on: asyncio.Future[None]) -> None:
    with Deadline(timeout_ms):
        await on


def future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_what_is_in_time_is_left_alone() -> None:
    soon = future()
    asyncio.get_running_loop().call_soon(soon.set_result, None)
    await wait(60_000, soon)


async def test_what_takes_too_long_times_out_and_its_task_goes_on() -> None:
    with pytest.raises(DeadlineExceeded, match="no answer within 0 ms"):
        await wait(0, future())
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_an_error_of_its_own_is_not_hidden() -> None:
    failed = future()
    failed.set_exception(ValueError("its own"))
    with pytest.raises(ValueError, match="its own"):
        await wait(0, failed)


@pytest.mark.parametrize("timeout_ms", [0, 60_000], ids=["late", "in time"])
async def test_who_is_cancelled_by_another_stays_cancelled(timeout_ms: int) -> None:
    task = asyncio.create_task(wait(timeout_ms, future()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
