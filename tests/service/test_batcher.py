from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.batcher import PLANNED_TEXTS, Answer, Batcher, BatchLimits
from service.engine import Float32
from service.errors import Unavailable
from service.model import Model
from service.planner import BatchBudget, CostModel
from tests.service.fakes import SECRET, EchoRun, FakeClock, ManualExecutor, settle

pytestmark = pytest.mark.anyio
COST = CostModel(fixed_s=1.0, step_s=0.001, token_s=0.01)
LIMITS = BatchLimits(
    budget=BatchBudget(tokens=100, texts=4),
    max_queue_tokens=200,
    max_queue_texts=20,
    inline_s=0.0,
)


class Bench:
    """A batcher whose engine runs when the test says so."""

    def __init__(
        self,
        limits: BatchLimits = LIMITS,
        workers: int = 1,
        run: Any = None,
        cost: CostModel = COST,
    ) -> None:
        self.run = run or EchoRun()
        self.executor = ManualExecutor()
        self.clock = FakeClock()
        self.batcher = Batcher(self.run, cost, limits, self.executor, workers, self.clock)

    async def submit(self, *texts: list[int]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self.batcher.submit(texts))
        await settle()
        return task

    async def submit_patiently(self, *texts: list[int]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self.batcher.submit_patiently(texts))
        await settle()
        return task

    async def run_next(self) -> None:
        self.executor.run_next()
        await settle()

    async def run_all(self) -> None:
        while self.executor.calls:
            await self.run_next()


async def test_an_idle_batcher_runs_a_text_at_once() -> None:
    bench = Bench()
    task = await bench.submit([7, 8])
    assert len(bench.executor.calls) == 1
    await bench.run_next()
    assert (await task).logits == [[7, 2]]


async def test_what_queued_while_the_engine_ran_runs_together() -> None:
    bench = Bench()
    tasks = [await bench.submit([number]) for number in range(1, 5)]
    await bench.run_all()
    assert bench.run.batches == [[[1]], [[2], [3], [4]]]
    assert [(await task).logits[0][0] for task in tasks] == [1, 2, 3, 4]


async def test_workers_run_side_by_side() -> None:
    bench = Bench(workers=2)
    for number in range(3):
        await bench.submit([number + 1])
    assert len(bench.executor.calls) == 2


async def test_an_oversized_request_is_split_and_put_back_in_order() -> None:
    bench = Bench()
    texts = [[number] * length for number, length in enumerate([30, 2, 60, 1, 9, 4, 7], start=1)]
    task = await bench.submit(*texts)
    await bench.run_all()
    assert len(bench.run.batches) > 1
    assert (await task).logits == [[text[0], len(text)] for text in texts]


async def test_short_texts_go_first_and_a_long_one_in_its_turn() -> None:
    """The turn is of the batch that has waited longest, measured in runs of its own."""
    bench = Bench()
    await bench.submit([1])
    await bench.submit([2] * 99)
    await bench.submit([3])
    bench.clock.now_s = 1.0
    await bench.run_next()  # 3 and the long one have both waited 1 s: 3 is the shorter run
    bench.clock.now_s = 8.0
    await bench.submit([4])
    bench.clock.now_s = 9.0
    await bench.run_all()  # the long one has waited four runs of its own, 4 just one
    assert [batch[0][0] for batch in bench.run.batches] == [1, 3, 2, 4]


async def test_a_short_batch_runs_on_the_event_loop_and_a_long_one_in_a_thread() -> None:
    bench = Bench(replace(LIMITS, inline_s=COST.run_s(size=1, longest=50)))
    short, long = await bench.submit([1] * 50), await bench.submit([2] * 51)
    assert short.done()
    assert not long.done()
    await bench.run_all()
    assert (await long).logits == [[2, 51]]


async def test_a_batch_is_cut_into_short_ones_where_that_costs_little() -> None:
    cheap = CostModel(fixed_s=0.01, step_s=0.0, token_s=0.01)
    bench = Bench(replace(LIMITS, inline_s=0.5), cost=cheap)
    task = await bench.submit(*[[number] * 24 for number in range(1, 5)])
    assert [len(batch) for batch in bench.run.batches] == [2, 2]
    assert (await task).logits == [[number, 24] for number in range(1, 5)]


async def test_what_comes_while_a_batch_runs_on_the_event_loop_joins_the_next_plan() -> None:
    def run(texts: Sequence[Sequence[int]]) -> Float32:
        if not echo.batches:  # as a socket that is read after the run
            asyncio.get_running_loop().call_soon(asyncio.ensure_future, batcher.submit([[3]]))
        return echo(texts)

    echo = EchoRun()
    batcher = Bench(replace(LIMITS, inline_s=math.inf), run=run).batcher
    await asyncio.gather(batcher.submit([[1]]), batcher.submit([[2] * 100]))
    assert [batch[0][0] for batch in echo.batches] == [1, 3, 2]


async def test_short_texts_do_not_wait_for_a_long_run() -> None:
    bench = Bench(replace(LIMITS, inline_s=COST.run_s(size=1, longest=50)))
    await bench.submit([1] * 99)
    assert (await (await bench.submit([2]))).logits == [[2, 1]]


async def test_what_arrived_while_a_short_batch_ran_runs_together() -> None:
    bench = Bench(replace(LIMITS, inline_s=math.inf))
    tasks = [asyncio.create_task(bench.batcher.submit([[number]])) for number in range(1, 5)]
    await asyncio.gather(*tasks)
    assert bench.run.batches == [[[1], [2], [3], [4]]]


async def test_a_hanging_run_can_be_told_and_abandoned() -> None:
    bench = Bench()
    hanging, waiting = await bench.submit([1]), await bench.submit([2])
    bench.clock.now_s = 12.0
    assert bench.batcher.longest_run_s() == 12.0
    bench.batcher.abandon("it hangs")
    for task in (hanging, waiting):
        with pytest.raises(Unavailable, match="it hangs"):
            await task
    with pytest.raises(Unavailable):
        await bench.batcher.submit([[3]])
    assert bench.batcher.waiting_tokens == 0


async def test_nothing_runs_for_no_time() -> None:
    bench = Bench()
    await bench.submit([1])
    await bench.run_all()
    assert bench.batcher.longest_run_s() == 0.0


async def test_batcher_drops_cancelled_requests() -> None:
    bench = Bench()
    await bench.submit([1])
    gone = await bench.submit([2], [3])
    stays = await bench.submit([4])
    gone.cancel()
    await settle()
    assert bench.batcher.waiting_tokens == 1
    await bench.run_all()
    assert bench.run.batches == [[[1]], [[4]]]
    assert (await stays).logits == [[4, 1]]


async def test_however_many_requests_are_cancelled_the_others_run() -> None:
    bench = Bench(replace(LIMITS, max_queue_tokens=10_000, max_queue_texts=10_000))
    await bench.submit([1])
    stay = [asyncio.create_task(bench.batcher.submit([[2]])) for _ in range(PLANNED_TEXTS - 1)]
    leave = [asyncio.create_task(bench.batcher.submit([[3]])) for _ in range(3000)]
    await settle()
    for task in leave:
        task.cancel()
    late = asyncio.create_task(bench.batcher.submit([[4]]))
    await bench.run_all()
    await asyncio.gather(late, *stay)
    assert {text[0] for batch in bench.run.batches for text in batch} == {1, 2, 4}
    assert bench.batcher.waiting_texts == bench.batcher.waiting_tokens == 0


async def test_more_texts_than_are_planned_at_once_all_run() -> None:
    bench = Bench(replace(LIMITS, max_queue_tokens=10_000, max_queue_texts=10_000))
    task = await bench.submit(*[[number] for number in range(2000)])
    await bench.run_all()
    assert [row[0] for row in (await task).logits] == list(range(2000))


async def test_cancelling_a_running_request_harms_none_beside_it() -> None:
    bench = Bench()
    await bench.submit([1])
    gone, stays = await bench.submit([2]), await bench.submit([3])
    await bench.run_next()
    gone.cancel()
    await settle()
    await bench.run_all()
    assert (await stays).logits == [[3, 1]]


async def test_a_failing_engine_fails_only_its_batch(caplog: pytest.LogCaptureFixture) -> None:
    echo = EchoRun()

    def run(texts: Sequence[Sequence[int]]) -> Float32:
        if any(text[0] == 13 for text in texts):
            raise RuntimeError(SECRET)
        return echo(texts)

    bench = Bench(run=run)
    first = await bench.submit([1])
    doomed = await bench.submit([13])
    await bench.run_next()
    after = await bench.submit([2])
    with caplog.at_level(logging.ERROR):
        await bench.run_all()
    assert (await first).logits == [[1, 1]]
    assert (await after).logits == [[2, 1]]
    with pytest.raises(Unavailable, match="the model could not run"):
        await doomed
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def test_a_failed_batch_drops_the_rest_of_its_request() -> None:
    def run(texts: Sequence[Sequence[int]]) -> Float32:
        raise RuntimeError

    bench = Bench(run=run)
    task = await bench.submit([1] * 80, [2] * 60, [3])
    await bench.run_next()
    with pytest.raises(Unavailable):
        await task
    assert bench.executor.calls == []
    assert bench.batcher.waiting_tokens == 0


async def test_closing_answers_what_runs_and_refuses_the_rest() -> None:
    bench = Bench()
    running, waiting = await bench.submit([1]), await bench.submit([2])
    closing = asyncio.create_task(bench.batcher.close())
    await settle()
    assert not closing.done()
    with pytest.raises(Unavailable, match="stopping"):
        await waiting
    with pytest.raises(Unavailable, match="stopping"):
        await bench.batcher.submit([[3]])
    await bench.run_next()
    await closing
    assert (await running).logits == [[1, 1]]


async def test_the_answer_tells_waiting_from_running() -> None:
    bench = Bench()
    await bench.submit([1])
    task = await bench.submit([2])
    bench.clock.now_s = 3.0
    await bench.run_next()
    bench.clock.now_s = 5.0
    await bench.run_next()
    answer = await task
    assert (answer.queue_s, answer.infer_s) == (3.0, 2.0)


async def test_the_same_text_gets_the_same_bits_in_any_batch(model: Model) -> None:
    text = model.tokenizer.encode("The room was spotless.")
    others = [[4 + number] * (1 + number) for number in range(12)]
    bench = Bench(run=model.logits)
    alone = await bench.submit(text)
    await bench.run_all()
    crowd = await bench.submit(*others[:5], text, *others[5:])
    await bench.run_all()
    assert (await alone).logits[0] == (await crowd).logits[5]
    assert np.isfinite((await crowd).logits).all()


async def test_patient_texts_take_half_of_the_queue_and_wait_for_the_rest() -> None:
    bench = Bench()  # 200 tokens and 20 texts may wait, so 100 and 10 patient ones
    running = await bench.submit([1])
    patient = [await bench.submit_patiently([n] * 60) for n in (1, 2, 3)]
    assert bench.batcher.waiting_tokens == 60
    impatient = await bench.submit(*[[9] * 70] * 2)  # exactly what is left
    await bench.run_all()
    for task in (running, *patient, impatient):
        assert len((await task).logits[0]) == 2
    assert [(await task).logits[0][0] for task in patient] == [1, 2, 3]


async def test_a_patient_request_that_is_cancelled_lets_the_next_in() -> None:
    bench = Bench()
    await bench.submit([1])
    queued, outside, last = [await bench.submit_patiently([n] * 90) for n in (1, 2, 3)]
    queued.cancel()
    outside.cancel()
    await settle()
    assert bench.batcher.waiting_tokens == 90
    await bench.run_all()
    assert (await last).logits[0][0] == 3
