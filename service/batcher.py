"""The queue: admission, cancellation and dispatch of texts to the engine.

No timer delays a text. What waits is planned into the cheapest batches; a short batch runs
on the event loop itself, which is faster than handing it to a thread and back, and a long
one in a thread, where it holds up nobody. Planned anew whenever something has arrived.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextvars import Context
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from service.engine import Float32
from service.errors import Overloaded, TooLarge, Unavailable
from service.planner import BatchBudget, CostModel, count_parts, plan

logger = logging.getLogger(__name__)

PLANNED_TEXTS = 512  # planning more at once would hold up the event loop

TokenIds = Sequence[int]
RunBatch = Callable[[Sequence[TokenIds]], Float32]
Clock = Callable[[], float]


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


@dataclass(slots=True)
class _Request:
    """A request in the queue, until all its rows are there."""

    done: asyncio.Future[None]
    numbers: range
    rows: list[list[float]]
    unanswered: int
    waiting_texts: int
    waiting_tokens: int
    admitted_s: float
    started_s: float | None = None


class _Waiting(NamedTuple):
    """One text that waits, and where its answer belongs."""

    number: int
    ids: TokenIds
    request: _Request
    row: int


@dataclass(frozen=True)
class _Patient:
    """Texts that wait outside for room in the queue; `turn` is then their request."""

    turn: asyncio.Future[_Request]
    texts: Sequence[TokenIds]
    tokens: int


@dataclass(frozen=True)
class _Run:
    """A batch that runs in a thread, and since when."""

    texts: list[_Waiting]
    started_s: float


class _Batch(NamedTuple):
    """Texts that are planned to run together, and for how long."""

    texts: list[_Waiting]
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
        self._idle_workers = workers
        self._next_number = 0
        self._waiting: dict[int, _Waiting] = {}  # in order of arrival
        self._waiting_tokens = 0
        self._waiting_texts = 0
        self._patient: deque[_Patient] = deque()
        self._planned: list[_Batch] = []
        self._plan_is_stale = False
        self._dispatch_is_due = False
        self._running: dict[asyncio.Task[None], _Run] = {}
        self._closed = False
        self._no_request = Context()  # a batch is of many requests: it logs as none of them

    @property
    def waiting_tokens(self) -> int:
        """Tokens admitted and not yet running; what was cancelled no longer counts."""
        return self._waiting_tokens

    @property
    def waiting_texts(self) -> int:
        """Texts admitted and not yet running; what was cancelled no longer counts."""
        return self._waiting_texts

    @property
    def closed(self) -> bool:
        """Whether the queue takes no more texts."""
        return self._closed

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
        tokens = sum(map(len, texts))
        self._admit(len(texts), tokens)
        return await self._finish(self._enqueue(texts, tokens))

    async def submit_patiently(self, texts: Sequence[TokenIds]) -> Answer:
        """The same for texts that nobody waits for now, but which must not be refused.

        They wait outside, in order of arrival, until they fit into half of the queue: the
        other half stays free for `submit`. What `cut` gives fits; more goes when nothing waits.
        Raises Unavailable when the engine fails or has stopped.
        """
        if self._closed:
            raise Unavailable("the service is stopping")
        turn: asyncio.Future[_Request] = asyncio.get_running_loop().create_future()
        self._patient.append(_Patient(turn, texts, sum(map(len, texts))))
        self._let_in()
        try:
            request = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled at the same time
                self._drop(turn.result())
            raise
        return await self._finish(request)

    def cut(self, texts: Sequence[TokenIds]) -> Iterator[Sequence[TokenIds]]:
        """The texts, in order, in as few pieces as `submit_patiently` can let in."""
        start, tokens = 0, 0
        for end, text in enumerate(texts):
            if end > start and not self._fits(end + 1 - start, tokens + len(text)):
                yield texts[start:end]
                start, tokens = end, 0
            tokens += len(text)
        if start < len(texts):
            yield texts[start:]

    async def _finish(self, request: _Request) -> Answer:
        self._make_dispatch_due()
        try:
            await request.done  # a cancelled wait cancels it, which marks its texts as dropped
        finally:
            self._drop(request)
        finished_s = self._clock()
        started_s = finished_s if request.started_s is None else request.started_s
        return Answer(request.rows, started_s - request.admitted_s, finished_s - started_s)

    async def close(self) -> None:
        """Refuse new requests, fail those that wait, and let running batches end."""
        self._closed = True
        self._refuse(self._waiting.values(), "the service is stopping")
        self._clear("the service is stopping")
        await asyncio.gather(*self._running)

    def abandon(self, reason: str) -> None:
        """Refuse new requests and fail all others at once, those of hanging runs too."""
        self._closed = True
        running = [text for run in self._running.values() for text in run.texts]
        self._refuse([*running, *self._waiting.values()], reason)
        self._clear(reason)

    def _refuse(self, texts: Iterable[_Waiting], reason: str) -> None:
        for text in texts:
            _fail(text.request, Unavailable(reason))

    def _clear(self, reason: str) -> None:
        self._waiting.clear()
        self._planned.clear()
        for patient in self._patient:
            if not patient.turn.done():
                patient.turn.set_exception(Unavailable(reason))
        self._patient.clear()

    def _let_in(self) -> None:
        """Queue the patient ones whose turn it is."""
        while self._patient:
            first = self._patient[0]
            if not first.turn.done():
                texts = self._waiting_texts + len(first.texts)
                if self._waiting_texts and not self._fits(
                    texts, self._waiting_tokens + first.tokens
                ):
                    return
                first.turn.set_result(self._enqueue(first.texts, first.tokens))
            self._patient.popleft()

    def _fits(self, texts: int, tokens: int) -> bool:
        """Whether so much fits into the half of the queue that patient texts may take."""
        limits = self._limits
        return 2 * texts <= limits.max_queue_texts and 2 * tokens <= limits.max_queue_tokens

    def _admit(self, texts: int, tokens: int) -> None:
        if self._closed:
            raise Unavailable("the service is stopping")
        for unit, new, waiting, limit in (
            ("tokens", tokens, self._waiting_tokens, self._limits.max_queue_tokens),
            ("texts", texts, self._waiting_texts, self._limits.max_queue_texts),
        ):
            if new > limit:
                raise TooLarge(f"the request has {new} {unit}, the limit is {limit}", "inputs")
            if waiting + new > limit:
                raise Overloaded(
                    f"{waiting} {unit} wait and {new} more would pass the limit of {limit}; "
                    "try again later",
                    retry_after_s=math.ceil(1 + self._waiting_tokens * self._cost.token_s),
                )

    def _enqueue(self, texts: Sequence[TokenIds], tokens: int) -> _Request:
        done = asyncio.get_running_loop().create_future()
        size = len(texts)
        numbers = range(self._next_number, self._next_number + size)
        self._next_number = numbers.stop
        request = _Request(done, numbers, [[]] * size, size, size, tokens, self._clock())
        for row, (number, ids) in enumerate(zip(numbers, texts, strict=True)):
            self._waiting[number] = _Waiting(number, ids, request, row)
        self._waiting_tokens += tokens
        self._waiting_texts += size
        self._plan_is_stale = True
        return request

    def _drop(self, request: _Request) -> None:
        """Forget what of a request still waits, if anything does."""
        if request.waiting_texts:
            for number in request.numbers:
                self._waiting.pop(number, None)
            self._waiting_tokens -= request.waiting_tokens
            self._waiting_texts -= request.waiting_texts
            self._let_in()

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
            self._plan_is_stale = not self._planned  # more may wait than were planned
            if wanted := self._start(batch.texts, now_s):
                return batch._replace(texts=wanted)
        return None

    def _plan_runnable(self) -> list[_Batch]:
        if self._plan_is_stale:
            self._planned = self._make_plan()
            self._plan_is_stale = False
        return [b for b in self._planned if self._idle_workers or self._is_short(b)]

    def _start(self, texts: list[_Waiting], now_s: float) -> list[_Waiting]:
        """Take texts from the queue; those that still want an answer are to run."""
        for text in texts:
            self._waiting.pop(text.number, None)
        wanted = [text for text in texts if not text.request.done.done()]
        for text in wanted:
            request, tokens = text.request, len(text.ids)
            request.started_s = request.started_s or now_s
            request.waiting_texts -= 1
            request.waiting_tokens -= tokens
            self._waiting_texts -= 1
            self._waiting_tokens -= tokens
        self._let_in()
        return wanted

    def _make_plan(self) -> list[_Batch]:
        """The oldest texts, cut into batches."""
        window = list(islice(self._waiting.values(), PLANNED_TEXTS))
        batches = plan([len(text.ids) for text in window], self._cost, self._limits.budget)
        return [
            self._describe(part)
            for batch in batches
            for part in self._cut_short([window[index] for index in batch])
        ]

    def _cut_short(self, texts: list[_Waiting]) -> Iterator[list[_Waiting]]:
        """A batch in parts that can run on the event loop, where that costs little."""
        size, longest = len(texts), len(texts[-1].ids)
        parts = count_parts(size, longest, self._cost, self._limits.inline_s)
        for part in range(parts):
            yield texts[part * size // parts : (part + 1) * size // parts]

    def _describe(self, texts: list[_Waiting]) -> _Batch:
        run_s = self._cost.run_s(len(texts), len(texts[-1].ids))
        return _Batch(texts, run_s, min(texts).request.admitted_s)  # the first number came first

    def _is_short(self, batch: _Batch) -> bool:
        return batch.run_s <= self._limits.inline_s

    def _run_here(self, texts: list[_Waiting]) -> None:
        try:
            _answer(texts, self._run([text.ids for text in texts]))
        except Exception as error:  # whatever the engine raises harms this batch only
            _fail_batch(texts, error)

    async def _run_in_thread(self, texts: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        ids = [text.ids for text in texts]
        try:
            _answer(texts, await loop.run_in_executor(self._executor, self._run, ids))
        except Exception as error:  # as above
            _fail_batch(texts, error)
        finally:
            self._idle_workers += 1
            self._make_dispatch_due()


def _answer(texts: list[_Waiting], logits: Float32) -> None:
    for text, row in zip(texts, logits.tolist(), strict=True):
        request = text.request
        request.rows[text.row] = row
        request.unanswered -= 1
        if request.unanswered == 0 and not request.done.done():
            request.done.set_result(None)


def _fail_batch(texts: list[_Waiting], error: Exception) -> None:
    # Without the exception's message: it may quote what it choked on, and texts are private.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a batch failed with %s\n%s", type(error).__name__, frames)
    for text in texts:
        _fail(text.request, Unavailable("the model could not run; try again later"))


def _fail(request: _Request, error: Exception) -> None:
    if not request.done.done():
        request.done.set_exception(error)
