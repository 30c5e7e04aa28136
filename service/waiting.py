"""The queue: what is admitted and waits, in order of arrival, until it is started or dropped."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from service.errors import Overloaded, TooLarge, Unavailable

STOPPING = "the service is stopping"

TokenIds = Sequence[int]
Clock = Callable[[], float]


@dataclass(slots=True)
class Request:
    """An admitted request, until all its rows are there: `done` is set, failed or cancelled."""

    done: asyncio.Future[None]
    numbers: range
    rows: list[list[float]]
    unanswered: int
    waiting_texts: int
    waiting_tokens: int
    admitted_s: float
    started_s: float | None = None

    def answer(self, row: int, logits: list[float]) -> None:
        """Take the logits (C,) of one text."""
        self.rows[row] = logits
        self.unanswered -= 1
        if self.unanswered == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the request with an error, unless it has ended already."""
        if not self.done.done():
            self.done.set_exception(error)


class WaitingText(NamedTuple):
    """One text that waits, and where its answer belongs."""

    number: int
    ids: TokenIds
    request: Request
    row: int


@dataclass(frozen=True)
class _Patient:
    """Texts that wait outside for room in the queue; `turn` is then their request."""

    turn: asyncio.Future[Request]
    texts: Sequence[TokenIds]
    tokens: int


class TextQueue:
    """The texts that are admitted and do not run yet, and behind them those that wait for room.

    More than `max_tokens` or `max_texts` is refused; by `token_s`, what a token takes to run,
    it says when to come back. Used on the event loop only, so that no lock is needed.
    """

    def __init__(self, max_tokens: int, max_texts: int, token_s: float, clock: Clock) -> None:
        self._max_tokens = max_tokens
        self._max_texts = max_texts
        self._token_s = token_s
        self._clock = clock
        self._waiting: dict[int, WaitingText] = {}  # in order of arrival
        self._tokens = 0
        self._texts = 0
        self._arrived = 0
        self._patient: deque[_Patient] = deque()
        self._closed = False

    @property
    def tokens(self) -> int:
        """Tokens admitted and not yet running; what was dropped no longer counts."""
        return self._tokens

    @property
    def texts(self) -> int:
        """Texts admitted and not yet running; what was dropped no longer counts."""
        return self._texts

    @property
    def arrived(self) -> int:
        """How many texts have ever been admitted: who knows of fewer has not seen the last."""
        return self._arrived

    @property
    def closed(self) -> bool:
        """Whether the queue takes no more texts."""
        return self._closed

    def admit(self, texts: Sequence[TokenIds]) -> Request:
        """Queue a request's texts, all or none.

        Raises TooLarge when they could never wait, Overloaded when they cannot now,
        Unavailable when the queue is closed.
        """
        tokens = sum(map(len, texts))
        self._check(len(texts), tokens)
        return self._add(texts, tokens)

    async def admit_patiently(self, texts: Sequence[TokenIds]) -> Request:
        """Queue texts as soon as they fit into half of the queue, or when nothing waits.

        Until then they wait outside, in order of arrival. Raises Unavailable when the queue is
        closed, before or meanwhile.
        """
        if self._closed:
            raise Unavailable(STOPPING)
        turn: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        self._patient.append(_Patient(turn, texts, sum(map(len, texts))))
        self._let_in()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled at the same time
                self.drop(turn.result())
            raise

    def cut(self, texts: Sequence[TokenIds]) -> Iterator[Sequence[TokenIds]]:
        """The texts, in order, in as few pieces as `admit_patiently` can let in."""
        start, tokens = 0, 0
        for end, text in enumerate(texts):
            if end > start and not self._fits(end + 1 - start, tokens + len(text)):
                yield texts[start:end]
                start, tokens = end, 0
            tokens += len(text)
        if start < len(texts):
            yield texts[start:]

    def oldest(self, count: int) -> list[WaitingText]:
        """The first so many of the texts that wait."""
        return list(islice(self._waiting.values(), count))

    def start(self, texts: Sequence[WaitingText], now_s: float) -> list[WaitingText]:
        """Take texts from the queue; those that still want an answer are to run."""
        for text in texts:
            self._waiting.pop(text.number, None)
        wanted = [text for text in texts if not text.request.done.done()]
        for text in wanted:
            request, tokens = text.request, len(text.ids)
            request.started_s = request.started_s or now_s
            request.waiting_texts -= 1
            request.waiting_tokens -= tokens
            self._texts -= 1
            self._tokens -= tokens
        self._let_in()
        return wanted

    def drop(self, request: Request) -> None:
        """Forget what of a request still waits, if anything does."""
        if request.waiting_texts:
            for number in request.numbers:
                self._waiting.pop(number, None)
            self._tokens -= request.waiting_tokens
            self._texts -= request.waiting_texts
            self._let_in()

    def close(self, reason: str) -> None:
        """Take no more, and fail with Unavailable whatever waits, in the queue or for room."""
        self._closed = True
        for text in self._waiting.values():
            text.request.fail(Unavailable(reason))
        self._waiting.clear()
        for patient in self._patient:
            if not patient.turn.done():
                patient.turn.set_exception(Unavailable(reason))
        self._patient.clear()

    def _check(self, texts: int, tokens: int) -> None:
        if self._closed:
            raise Unavailable(STOPPING)
        for unit, new, waiting, limit in (
            ("tokens", tokens, self._tokens, self._max_tokens),
            ("texts", texts, self._texts, self._max_texts),
        ):
            if new > limit:
                raise TooLarge(f"the request has {new} {unit}, the limit is {limit}", "inputs")
            if waiting + new > limit:
                raise Overloaded(
                    f"{waiting} {unit} wait and {new} more would pass the limit of {limit}; "
                    "try again later",
                    retry_after_s=math.ceil(1 + self._tokens * self._token_s),
                )

    def _add(self, texts: Sequence[TokenIds], tokens: int) -> Request:
        done = asyncio.get_running_loop().create_future()
        size = len(texts)
        numbers = range(self._arrived, self._arrived + size)
        self._arrived = numbers.stop
        request = Request(done, numbers, [[]] * size, size, size, tokens, self._clock())
        for row, (number, ids) in enumerate(zip(numbers, texts, strict=True)):
            self._waiting[number] = WaitingText(number, ids, request, row)
        self._tokens += tokens
        self._texts += size
        return request

    def _let_in(self) -> None:
        """Queue the patient ones whose turn it is."""
        while self._patient:
            first = self._patient[0]
            if not first.turn.done():
                texts, tokens = self._texts + len(first.texts), self._tokens + first.tokens
                if self._texts and not self._fits(texts, tokens):
                    return
                first.turn.set_result(self._add(first.texts, first.tokens))
            self._patient.popleft()

    def _fits(self, texts: int, tokens: int) -> bool:
        """Whether so much fits into the half of the queue that patient texts may take."""
        return 2 * texts <= self._max_texts and 2 * tokens <= self._max_tokens
