from __future__ import annotations

import asyncio

import pytest

from service.errors import Overloaded, TooLarge, Unavailable
from service.waiting import Request, TextQueue
from tests.service.fakes import FakeClock, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def queue() -> TextQueue:
    return TextQueue(max_tokens=200, max_texts=20, token_s=0.01, clock=FakeClock())


async def admit_patiently(queue: TextQueue, *texts: list[int]) -> asyncio.Task[Request]:
    task = asyncio.create_task(queue.admit_patiently(texts))
    await settle()
    return task


def start_oldest(queue: TextQueue) -> None:
    queue.start(queue.oldest(1), now_s=0.0)


async def test_texts_wait_in_order_of_arrival(queue: TextQueue) -> None:
    for text in ([1], [2, 2], [3]):
        queue.admit([text])
    assert [text.ids for text in queue.oldest(2)] == [[1], [2, 2]]
    assert (queue.texts, queue.tokens, queue.arrived) == (3, 4, 3)


async def test_a_request_is_refused_whole_when_it_has_too_many_tokens_for_now(
    queue: TextQueue,
) -> None:
    queue.admit([[1] * 90, [1] * 90])
    message = "180 tokens wait and 30 more would pass the limit of 200"
    with pytest.raises(Overloaded, match=message) as caught:
        queue.admit([[2] * 10, [2] * 20])
    assert caught.value.retry_after_s == 3  # 1 s, and 1.8 s for what waits
    assert (queue.texts, queue.tokens) == (2, 180)


async def test_a_request_with_too_many_texts_for_now_is_refused(queue: TextQueue) -> None:
    queue.admit([[1]] * 15)
    with pytest.raises(Overloaded, match="15 texts wait and 6 more would pass the limit of 20"):
        queue.admit([[2]] * 6)


@pytest.mark.parametrize(
    ("texts", "message"),
    [([[1] * 201], "has 201 tokens, the limit is 200"), ([[1]] * 21, "has 21 texts")],
)
async def test_a_request_that_could_never_wait_is_too_large(
    queue: TextQueue, texts: list[list[int]], message: str
) -> None:
    with pytest.raises(TooLarge, match=message) as caught:
        queue.admit(texts)
    assert caught.value.param == "inputs"


async def test_room_comes_back_as_texts_start(queue: TextQueue) -> None:
    queue.admit([[1] * 90, [1] * 90])
    start_oldest(queue)
    queue.admit([[2] * 110])
    assert (queue.texts, queue.tokens) == (2, 200)


async def test_what_has_ended_is_taken_from_the_queue_but_not_to_run(queue: TextQueue) -> None:
    gone, stays = queue.admit([[1]]), queue.admit([[2]])
    gone.done.cancel()
    assert [text.request for text in queue.start(queue.oldest(2), now_s=5.0)] == [stays]
    assert queue.oldest(2) == []
    assert stays.started_s == 5.0


async def test_a_request_is_dropped_but_for_what_has_started(queue: TextQueue) -> None:
    request = queue.admit([[1] * 10, [2] * 20])
    queue.admit([[3]])
    start_oldest(queue)
    queue.drop(request)
    assert (queue.texts, queue.tokens) == (1, 1)
    assert [text.ids for text in queue.oldest(3)] == [[3]]


async def test_a_request_is_done_when_its_last_row_is_there(queue: TextQueue) -> None:
    request = queue.admit([[1], [2]])
    request.answer(1, [0.2])
    assert not request.done.done()
    request.answer(0, [0.1])
    assert request.done.done()
    assert request.rows == [[0.1], [0.2]]


async def test_a_closed_queue_fails_what_waits_and_takes_no_more(queue: TextQueue) -> None:
    waiting = queue.admit([[1] * 90])
    outside = await admit_patiently(queue, [2] * 90)
    queue.close("it hangs")
    for ended in (waiting.done, outside):
        with pytest.raises(Unavailable, match="it hangs"):
            await ended
    with pytest.raises(Unavailable, match="stopping"):
        queue.admit([[3]])
    with pytest.raises(Unavailable, match="stopping"):
        await queue.admit_patiently([[3]])
    assert queue.oldest(1) == []


async def test_patient_texts_take_half_of_the_queue(queue: TextQueue) -> None:
    first, second = [await admit_patiently(queue, [number] * 60) for number in (1, 2)]
    assert first.done()
    assert queue.tokens == 60
    queue.admit([[9] * 70] * 2)  # exactly what is left
    start_oldest(queue)
    start_oldest(queue)
    await settle()
    assert not second.done()
    start_oldest(queue)
    await second


async def test_patient_texts_are_let_in_in_their_order(queue: TextQueue) -> None:
    first, large, small = [await admit_patiently(queue, [n] * n) for n in (90, 80, 1)]
    assert first.done()
    assert queue.texts == 1  # the small one would fit, but it is not its turn
    start_oldest(queue)
    await asyncio.gather(large, small)
    assert [text.ids[0] for text in queue.oldest(3)] == [80, 1]


async def test_patient_texts_beyond_the_half_go_when_nothing_waits(queue: TextQueue) -> None:
    request = await queue.admit_patiently([[7] * 500])
    assert queue.tokens == request.waiting_tokens == 500


async def test_a_patient_request_that_is_dropped_lets_the_next_in(queue: TextQueue) -> None:
    queued, outside, last = [await admit_patiently(queue, [n] * 90) for n in (1, 2, 3)]
    outside.cancel()
    await settle()
    queue.drop(await queued)
    assert queue.tokens == 90
    assert (await last).waiting_texts == 1


async def test_a_request_let_in_and_cancelled_at_the_same_time_is_dropped(
    queue: TextQueue,
) -> None:
    first, second = [await admit_patiently(queue, [n] * 90) for n in (1, 2)]
    queue.drop(await first)
    assert queue.tokens == 90
    second.cancel()
    await settle()
    assert queue.tokens == 0


async def test_texts_are_cut_into_pieces_that_can_be_let_in(queue: TextQueue) -> None:
    texts = [[1] * length for length in (60, 40, 1, 500, 1, 1)]
    pieces = [[len(text) for text in piece] for piece in queue.cut(texts)]
    assert pieces == [[60, 40], [1], [500], [1, 1]]
    assert [len(piece) for piece in queue.cut([[1]] * 25)] == [10, 10, 5]
    assert list(queue.cut([])) == []
