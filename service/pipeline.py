"""The way of a text: check and tokenize -> batch -> infer -> postprocess."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Protocol, TypeVar

from service.aside import call_aside
from service.batcher import Batcher, BatchLimits, RunBatch
from service.cache import AnswerCache
from service.cpus import step_back, usable_cpus
from service.deadline import Deadline
from service.engine import CUDA
from service.errors import NotFound, RequestError, TooLarge, Unavailable
from service.lane import Lane
from service.model import Model
from service.planner import BatchBudget
from service.postprocess import Row, Scored
from service.probe import Probe
from service.replies import Outcome, Reply, Timing
from service.settings import Settings
from service.texts import Encoded, TextLimits
from service.waiting import STOPPING, Clock, TokenIds

T = TypeVar("T")


class Observer(Protocol):
    """Hears of what runs and what is answered."""

    def watch_run(self, model: str, run: RunBatch) -> RunBatch:
        """`run`, watched; called on the event loop or in a thread."""

    def note_hits(self, model: str, texts: int) -> None:
        """So many texts of a request are answered from the cache."""

    def note_reply(self, reply: Reply) -> None:
        """A request is about to be answered with this."""


class NoObserver:
    """Hears of nothing."""

    def watch_run(self, model: str, run: RunBatch) -> RunBatch:
        return run

    def note_hits(self, model: str, texts: int) -> None:
        pass

    def note_reply(self, reply: Reply) -> None:
        pass


NO_OBSERVER = NoObserver()


class Pipeline:
    """Answers texts with one of several models, the first being the default."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        settings: Settings,
        clock: Clock,
        observer: Observer = NO_OBSERVER,
    ) -> None:
        self.lanes = {lane.name: lane for lane in lanes}
        self.settings = settings
        self._default = lanes[0]
        self._clock = clock
        self._observer = observer
        self._probe = Probe({lane.name: lane.model for lane in lanes}, clock)

    @property
    def default(self) -> Lane:
        """The lane of requests that name no model."""
        return self._default

    def find_lane(self, name: str | None) -> Lane:
        """The lane of a model, the default one for None. Raises NotFound naming those there are."""
        if name is None:
            return self._default
        if name not in self.lanes:
            available = ", ".join(self.lanes)
            raise NotFound(f"there is no such model; available: {available}", "model")
        return self.lanes[name]

    async def predict(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        raw_scores: bool = False,
        truncate: bool = False,
        timeout_ms: int | None = None,
    ) -> Reply:
        """The sentiment of each text, or why that text has none.

        `timeout_ms` is how long the client waits, where that is less than the setting.
        Raises NotFound for an unknown model, TooLarge for too many texts, Overloaded,
        Unavailable and DeadlineExceeded for the request as a whole.
        """
        lane = self.find_lane(model)

        def encode() -> tuple[list[Encoded | RequestError], list[TokenIds]]:
            items = lane.encode(texts, truncate)
            return items, _readable(items)

        encoded, logits, timing = await self.run(lane, texts, encode, timeout_ms)
        items = _join(encoded, lane.score(logits, raw_scores))
        return self.report(Reply(lane.name, items, timing))

    async def predict_rows(
        self,
        texts: Sequence[str | RequestError],
        *,
        model: str | None = None,
        raw_scores: bool = False,
        truncate: bool = False,
    ) -> Reply:
        """The same for some rows of many: they wait for room in the queue, however long.

        A row that could not be read comes as its error. Raises NotFound and Unavailable.
        """
        lane = self.find_lane(model)
        started_s = self._clock()
        chars = sum(len(text) for text in texts if isinstance(text, str))
        encoded = await call_aside(lambda: lane.encode(texts, truncate), chars)
        tokenized_s = self._clock()
        pieces = lane.batcher.cut(_readable(encoded))
        answers = [await lane.answer(piece, patiently=True) for piece in pieces]
        logits = [row for answer in answers for row in answer.logits]
        timing = Timing(
            tokenize_s=tokenized_s - started_s,
            queue_s=sum(answer.queue_s for answer in answers),
            infer_s=sum(answer.infer_s for answer in answers),
            total_s=self._clock() - started_s,
        )
        items = _join(encoded, lane.score(logits, raw_scores))
        return self.report(Reply(lane.name, items, timing))

    async def run(
        self,
        lane: Lane,
        texts: Sequence[str],
        encode: Callable[[], tuple[T, list[TokenIds]]],
        timeout_ms: int | None = None,
        passes: int = 1,
    ) -> tuple[T, Sequence[Row], Timing]:
        """What `encode` makes of the texts, and logits (N, C) of the N token lists it gives.

        The lists are one request of the queue: taken whole or refused whole. `encode` reads
        the texts `passes` times over, in a thread where that is much.
        Raises what `predict` raises, and what `encode` does.
        """
        self._check_count(texts)
        started_s = self._clock()
        timeout_ms = min(self.settings.timeout_ms, timeout_ms or self.settings.timeout_ms)
        with Deadline(timeout_ms):
            encoded, token_ids = await call_aside(encode, passes * sum(map(len, texts)))
            tokenized_s = self._clock()
            answer = await lane.answer(token_ids)
        timing = Timing(
            tokenize_s=tokenized_s - started_s,
            queue_s=answer.queue_s,
            infer_s=answer.infer_s,
            total_s=self._clock() - started_s,
        )
        return encoded, answer.logits, timing

    def report(self, reply: Reply) -> Reply:
        """Tell the observer of a reply that is about to be returned."""
        self._observer.note_reply(reply)
        return reply

    async def probe(self) -> None:
        """Run every model on a real text; raise Unavailable when one does not answer.

        Past the queue: a long queue is no reason to be taken out of service. Raises
        DeadlineExceeded when there is no answer in time.
        """
        if any(lane.batcher.closed for lane in self.lanes.values()):
            raise Unavailable(STOPPING)
        await self._probe.run(self.settings.timeout_ms)

    def longest_run_s(self) -> float:
        """For how long the longest of all engine runs has been running."""
        runs_s = [lane.batcher.longest_run_s() for lane in self.lanes.values()]
        return max(*runs_s, self._probe.running_s())

    async def close(self) -> None:
        """Answer what runs, refuse the rest, and take no more."""
        for lane in self.lanes.values():
            await lane.batcher.close()
        await self._probe.close()

    def abandon(self, reason: str) -> None:
        """Answer whoever waits with Unavailable and take no more: an engine hangs."""
        for lane in self.lanes.values():
            lane.batcher.abandon(reason)

    def _check_count(self, texts: Sequence[str]) -> None:
        limit = self.settings.max_inputs
        if len(texts) > limit:
            raise TooLarge(f"the request has {len(texts)} texts, the limit is {limit}", "inputs")


@asynccontextmanager
async def open_pipeline(
    settings: Settings,
    models: Mapping[str, Model],
    clock: Clock = perf_counter,
    observer: Observer = NO_OBSERVER,
) -> AsyncIterator[Pipeline]:
    """A pipeline over open models; leaving answers what runs and refuses the rest."""
    workers = settings.workers or max(1, usable_cpus() // count_processes(settings, models))
    # Long runs are made in these threads; requests and short runs go before them.
    with ThreadPoolExecutor(workers, "engine", initializer=step_back) as executor:
        lanes = [
            _open_lane(name, model, settings, executor, workers, clock, observer)
            for name, model in models.items()
        ]
        pipeline = Pipeline(lanes, settings, clock, observer)
        try:
            yield pipeline
        finally:
            await pipeline.close()


def _open_lane(
    name: str,
    model: Model,
    settings: Settings,
    executor: Executor,
    workers: int,
    clock: Clock,
    observer: Observer,
) -> Lane:
    on_cuda = model.engine.provider == CUDA
    limits = BatchLimits(
        budget=BatchBudget(settings.max_batch_tokens, settings.max_batch_size),
        max_queue_tokens=settings.max_queue_tokens,
        max_queue_texts=settings.max_queue_texts,
        inline_s=0.0 if on_cuda else settings.inline_ms / 1000,
    )
    max_tokens = min(settings.max_tokens, model.manifest.max_tokens)
    run = observer.watch_run(name, model.logits)
    batcher = Batcher(run, model.cost, limits, executor, workers, clock)
    cache = None
    if settings.cache_texts:
        cache = AnswerCache(settings.cache_texts, partial(observer.note_hits, name))
    return Lane(name, model, batcher, TextLimits(settings.max_text_chars, max_tokens), cache)


def count_processes(settings: Settings, models: Mapping[str, Model]) -> int:
    """How many processes serve: as set, else one per CPU; one on CUDA, which no fork survives."""
    if any(model.engine.provider == CUDA for model in models.values()):
        return 1
    return settings.processes or usable_cpus()


def _readable(encoded: Sequence[Encoded | RequestError]) -> list[TokenIds]:
    return [item.ids for item in encoded if isinstance(item, Encoded)]


def _join(
    encoded: Sequence[Encoded | RequestError], answers: Sequence[Scored]
) -> list[Outcome | RequestError]:
    """Put the answers back between the texts that were refused."""
    rest = iter(answers)
    return [Outcome(next(rest), item) if isinstance(item, Encoded) else item for item in encoded]
