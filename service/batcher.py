"""Dispatch: what waits in the queue is planned into batches and brought to the engine.

No timer delays a text. What waits is planned into the cheapest batches; a short batch runs
on the event loop itself, which is faster than handing it to a thread and back, and a long
one in a thread, where it holds up nobody. Planned anew whenever something has arrived.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextvars import Context
from dataclasses import dataclass
from typing import NamedTuple

from service.engine import Float32
from service.errors import Unavailable
from service.planner import BatchBudget, CostModel, count_parts, plan
from service.waiting import STOPPING, Clock, Request, TextQueue, TokenIds, WaitingText

logger = logging.getLogger(__name__)

PLANNED_TEXTS = 512  # planning more at once would hold up the event loop

RunBatch = Callable[[Sequence[TokenIds]], Float32]


@dataclass(frozen=True)
class BatchLimits:
    """How much runs at once, how much may wait, and what runs on the event loop."""

    budget: BatchBudget
    max_queue_tokens: int
    max_queue_texts: int
    inline_s: float
    """Batches that are expected to take no longer run on the event loop."""


class Answer(NamedTuple):
    """Logits (N, C) of a request's texts in their order, and where its time went."""

    logits: list[list[float]]
    queue_s: float
    infer_s: float


@dataclass(frozen=True)
class _Run:
    """A batch that runs in a thread, and since when."""

    texts: list[WaitingText]
    started_s: float


class _Batch(NamedTuple):
    """Texts that are planned to run together, and for how long."""

    texts: list[WaitingText]
    run_s: float
    oldest_s: float

    def response_ratio(self, now_s: float) -> float:
        """How many times its own run the oldest text waits (Hansen 1971, HRRN).

        Short batches go first; a long one's turn comes as it waits, so none starves.
        """
        return (now_s - self.oldest_s) / self.run_s


class Batcher:
    """Brings the texts of concurrent requests together in batches.

    `run` takes token ids and gives logits (B, C); long batches call it in `executor`, by at
    most `workers` threads at once. Everything else happens on the event loop, so that no
    lock is needed. A text's answer does not depend on which others it ran with.
    """

    def __init__(
        self,
        run: RunBatch,
        cost: CostModel,
        limits: BatchLimits,
        executor: Executor,
        workers: int,
        clock: Clock,
    ) -> None:
        self._run = run
        self._cost = cost
        self._limits = limits
        self._executor = executor
        self._clock = clock
        self._queue = TextQueue(
            limits.max_queue_tokens, limits.max_queue_texts, cost.token_s, clock
        )
        self._idle_workers = workers
        self._planned: list[_Batch] = []
        self._planned_at = 0  # how many texts had arrived by then
        self._dispatch_is_due = False
        self._running: dict[asyncio.Task[None], _Run] = {}
        self._no_request = Context()  # a batch is of many requests: it logs as none of them

    @property
    def waiting_tokens(self) -> int:
        """Tokens admitted and not yet running; what was cancelled no longer counts."""
        return self._queue.tokens

    @property
    def waiting_texts(self) -> int:
        """Texts admitted and not yet running; what was cancelled no longer counts."""
        return self._queue.texts

    @property
    def closed(self) -> bool:
        """Whether the queue takes no more texts."""
        return self._queue.closed

    def longest_run_s(self) -> float:
        """For how long the longest of the runs in threads has been running; 0 without any."""
        now_s = self._clock()
        return max((now_s - run.started_s for run in self._running.values()), default=0.0)

    async def submit(self, texts: Sequence[TokenIds]) -> Answer:
        """The logits of a request's texts, each of at least one token.

        The request is admitted whole or refused whole: TooLarge when it could never wait,
        Overloaded when it cannot now, Unavailable when the engine fails or has stopped.
        Cancelling the call, for a deadline or a client that went, drops what has not run.
        """
        return await self._finish(self._queue.admit(texts))

    async def submit_patiently(self, texts: Sequence[TokenIds]) -> Answer:
        """The same for texts that nobody waits for now, but which must not be refused.

        They wait outside, in order of arrival, until they fit into half of the queue: the
        other half stays free for `submit`. What `cut` gives fits; more goes when nothing waits.
        Raises Unavailable when the engine fails or has stopped.
        """
        return await self._finish(await self._queue.admit_patiently(texts))

    def cut(self, texts: Sequence[TokenIds]) -> Iterator[Sequence[TokenIds]]:
        """The texts, in order, in as few pieces as `submit_patiently` can let in."""
        return self._queue.cut(texts)

    async def _finish(self, request: Request) -> Answer:
        self._make_dispatch_due()
        try:
            await request.done  # a cancelled wait cancels it, which marks its texts as dropped
        finally:
            self._queue.drop(request)
        finished_s = self._clock()
        started_s = finished_s if request.started_s is None else request.started_s
        return Answer(request.rows, started_s - request.admitted_s, finished_s - started_s)

    async def close(self) -> None:
        """Refuse new requests, fail those that wait, and let running batches end."""
        self._stop(STOPPING)
        await asyncio.gather(*self._running)

    def abandon(self, reason: str) -> None:
        """Refuse new requests and fail all others at once, those of hanging runs too."""
        for run in self._running.values():
            _fail_all(run.texts, reason)
        self._stop(reason)

    def _stop(self, reason: str) -> None:
        self._queue.close(reason)
        self._planned.clear()

    def _make_dispatch_due(self) -> None:
        # Not at once: what else has already arrived is read first and joins the plan.
        if not self._dispatch_is_due:
            self._dispatch_is_due = True
            asyncio.get_running_loop().call_soon(self._dispatch, context=self._no_request)

    def _dispatch(self) -> None:
        self._dispatch_is_due = False
        while batch := self._take_batch():
            if self._is_short(batch):
                self._run_here(batch.texts)
                # One turn of the loop later: what came meanwhile has been read by then.
                asyncio.get_running_loop().call_soon(self._make_dispatch_due)
                return
            self._idle_workers -= 1
            task = asyncio.create_task(self._run_in_thread(batch.texts))
            self._running[task] = _Run(batch.texts, self._clock())
            task.add_done_callback(self._running.pop)

    def _take_batch(self) -> _Batch | None:
        """The planned batch whose turn it is among those that can run now."""
        while runnable := self._plan_runnable():
            now_s = self._clock()
            batch = max(runnable, key=lambda planned: planned.response_ratio(now_s))
            self._planned.remove(batch)
            if wanted := self._queue.start(batch.texts, now_s):
                return batch._replace(texts=wanted)
        return None

    def _plan_runnable(self) -> list[_Batch]:
        # Texts have arrived since, or all that was planned is gone and more may wait.
        if self._planned_at != self._queue.arrived or not self._planned:
            self._planned_at = self._queue.arrived
            self._planned = self._make_plan()
        return [b for b in self._planned if self._idle_workers or self._is_short(b)]

    def _make_plan(self) -> list[_Batch]:
        """The oldest texts, cut into batches."""
        window = self._queue.oldest(PLANNED_TEXTS)
        batches = plan([len(text.ids) for text in window], self._cost, self._limits.budget)
        return [
            self._describe(part)
            for batch in batches
            for part in self._cut_short([window[index] for index in batch])
        ]

    def _cut_short(self, texts: list[WaitingText]) -> Iterator[list[WaitingText]]:
        """A batch in parts that can run on the event loop, where that costs little."""
        size, longest = len(texts), len(texts[-1].ids)
        parts = count_parts(size, longest, self._cost, self._limits.inline_s)
        for part in range(parts):
            yield texts[part * size // parts : (part + 1) * size // parts]

    def _describe(self, texts: list[WaitingText]) -> _Batch:
        run_s = self._cost.run_s(len(texts), len(texts[-1].ids))
        return _Batch(texts, run_s, min(texts).request.admitted_s)  # the first number came first

    def _is_short(self, batch: _Batch) -> bool:
        return batch.run_s <= self._limits.inline_s

    def _run_here(self, texts: list[WaitingText]) -> None:
        try:
            _answer(texts, self._run([text.ids for text in texts]))
        except Exception as error:  # whatever the engine raises harms this batch only
            _fail_batch(texts, error)

    async def _run_in_thread(self, texts: list[WaitingText]) -> None:
        loop = asyncio.get_running_loop()
        ids = [text.ids for text in texts]
        try:
            _answer(texts, await loop.run_in_executor(self._executor, self._run, ids))
        except Exception as error:  # as above
            _fail_batch(texts, error)
        finally:
            self._idle_workers += 1
            self._make_dispatch_due()


def _answer(texts: list[WaitingText], logits: Float32) -> None:
    for text, row in zip(texts, logits.tolist(), strict=True):
        text.request.answer(text.row, row)


def _fail_batch(texts: list[WaitingText], error: Exception) -> None:
    # Without the exception's message: it may quote what it choked on, and texts are private.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a batch failed with %s\n%s", type(error).__name__, frames)
    _fail_all(texts, "the model could not run; try again later")


def _fail_all(texts: list[WaitingText], reason: str) -> None:
    for text in texts:
        text.request.fail(Unavailable(reason))
