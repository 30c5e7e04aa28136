"""The queue: admission, cancellation and dispatch of texts to the engine.

No timer delays a text. While the engine runs, texts wait; when a worker is free, all
that wait are planned anew and the batch that holds the oldest text runs.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from service.engine import Float32
from service.errors import Overloaded, TooLarge, Unavailable
from service.planner import plan

logger = logging.getLogger(__name__)

PLANNED_TEXTS = 512  # planning more at once would hold up the event loop

TokenIds = Sequence[int]
RunBatch = Callable[[Sequence[TokenIds]], Float32]
Clock = Callable[[], float]


@dataclass(frozen=True)
class BatchLimits:
    """How much runs at once and how much may wait."""

    max_batch_tokens: int
    max_batch_size: int
    max_queue_tokens: int


@dataclass(frozen=True)
class Answer:
    """Logits (N, C) of a request's texts in their order, and where its time went."""

    logits: Float32
    queue_s: float
    infer_s: float


@dataclass
class _Request:
    """A request in the queue, until all its rows are there."""

    done: asyncio.Future[None]
    rows: list[Float32 | None]
    unanswered: int
    waiting_tokens: int
    admitted_s: float
    started_s: float | None = None


@dataclass(frozen=True)
class _Waiting:
    """One text that waits, and where its answer belongs."""

    ids: TokenIds
    request: _Request
    row: int


class Batcher:
    """Brings the texts of concurrent requests together in batches.

    `run` takes token ids and gives logits (B, C); it is called in `executor`, by at most
    `workers` threads at once. Everything else happens on the event loop, so that no lock
    is needed. A text's answer does not depend on which others it ran with.
    """

    def __init__(
        self, run: RunBatch, limits: BatchLimits, executor: Executor, workers: int, clock: Clock
    ) -> None:
        self._run = run
        self._limits = limits
        self._executor = executor
        self._clock = clock
        self._idle_workers = workers
        self._waiting: deque[_Waiting] = deque()
        self._waiting_tokens = 0
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def waiting_tokens(self) -> int:
        """Tokens admitted and not yet running; what was cancelled no longer counts."""
        return self._waiting_tokens

    @property
    def closed(self) -> bool:
        """Whether the queue takes no more texts."""
        return self._closed

    async def submit(self, texts: Sequence[TokenIds]) -> Answer:
        """The logits of a request's texts, each of at least one token.

        The request is admitted whole or refused whole: TooLarge when it could never wait,
        Overloaded when it cannot now, Unavailable when the engine fails or has stopped.
        Cancelling the call, for a deadline or a client that went, drops what has not run.
        """
        self._admit(sum(map(len, texts)))
        request = self._enqueue(texts)
        self._dispatch()
        try:
            await request.done  # a cancelled wait cancels it, which marks its texts as dropped
        finally:
            self._waiting_tokens -= request.waiting_tokens
        finished_s = self._clock()
        started_s = finished_s if request.started_s is None else request.started_s
        logits = np.stack([row for row in request.rows if row is not None])
        return Answer(logits, started_s - request.admitted_s, finished_s - started_s)

    async def close(self) -> None:
        """Refuse new requests, fail those that wait, and let running batches end."""
        self._closed = True
        for text in self._waiting:
            _fail(text.request, Unavailable("the service is stopping"))
        self._waiting.clear()
        await asyncio.gather(*self._running)

    def _admit(self, tokens: int) -> None:
        limit = self._limits.max_queue_tokens
        if self._closed:
            raise Unavailable("the service is stopping")
        if tokens > limit:
            raise TooLarge(f"the request has {tokens} tokens, the limit is {limit}", "inputs")
        if self._waiting_tokens + tokens > limit:
            raise Overloaded(
                f"{self._waiting_tokens} tokens wait and {tokens} more would pass the limit "
                f"of {limit}; try again later"
            )

    def _enqueue(self, texts: Sequence[TokenIds]) -> _Request:
        done = asyncio.get_running_loop().create_future()
        tokens = sum(map(len, texts))
        request = _Request(done, [None] * len(texts), len(texts), tokens, self._clock())
        self._waiting.extend(_Waiting(ids, request, row) for row, ids in enumerate(texts))
        self._waiting_tokens += tokens
        return request

    def _dispatch(self) -> None:
        while self._idle_workers and (batch := self._take_batch()):
            self._idle_workers -= 1
            task = asyncio.create_task(self._run_batch(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _take_batch(self) -> list[_Waiting]:
        """The batch of the oldest text that waits; nothing when none does."""
        window = self._take_window()
        if not window:
            return []
        lengths = [len(text.ids) for text in window]
        batches = plan(lengths, self._limits.max_batch_tokens, self._limits.max_batch_size)
        chosen = next(batch for batch in batches if 0 in batch)
        rest = set(range(len(window))).difference(chosen)
        self._waiting.extendleft(window[index] for index in sorted(rest, reverse=True))
        batch = [window[index] for index in chosen]
        for text in batch:
            text.request.waiting_tokens -= len(text.ids)
            self._waiting_tokens -= len(text.ids)
        return batch

    def _take_window(self) -> list[_Waiting]:
        """The oldest texts that still want an answer, taken off the queue."""
        window: list[_Waiting] = []
        while self._waiting and len(window) < PLANNED_TEXTS:
            text = self._waiting.popleft()
            if not text.request.done.done():
                window.append(text)
        return window

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        started_s = self._clock()
        for text in batch:
            if text.request.started_s is None:
                text.request.started_s = started_s
        loop = asyncio.get_running_loop()
        try:
            logits = await loop.run_in_executor(
                self._executor, self._run, [text.ids for text in batch]
            )
            _answer(batch, logits)
        except Exception as error:  # whatever the engine raises harms this batch only
            _log_failure(error)
            for text in batch:
                _fail(text.request, Unavailable("the model could not run; try again later"))
        finally:
            self._idle_workers += 1
            self._dispatch()


def _answer(batch: list[_Waiting], logits: Float32) -> None:
    for text, row in zip(batch, logits, strict=True):
        request = text.request
        request.rows[text.row] = row
        request.unanswered -= 1
        if request.unanswered == 0 and not request.done.done():
            request.done.set_result(None)


def _fail(request: _Request, error: Exception) -> None:
    if not request.done.done():
        request.done.set_exception(error)


def _log_failure(error: Exception) -> None:
    # Without the exception's message: it may quote what it choked on, and texts are private.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a batch failed with %s\n%s", type(error).__name__, frames)
