"""What is counted and measured, for Prometheus.

Each serving process writes to files of its own, which the processes share: whichever is asked
answers for all of them. A file belongs to a slot and not to a process, so a process that takes
another's place goes on with its counters, which therefore never go backwards.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    multiprocess,
    values,
)
from prometheus_client.exposition import choose_encoder

from service.errors import STATUS, InvalidInput, SentimentError, TooLarge

SECONDS = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
TEXT_REASONS = (InvalidInput.type, TooLarge.type)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "other"  # what a client makes up must not become a label: there is no end to it
MEMORY = Path("/dev/shm")
FOLDER_PREFIX = "sentiment-metrics-"
LOCK = "lock"


class MetricsError(SentimentError):
    """There is no place where the processes could keep their metrics."""


class Metrics:
    """Every metric of one serving process, and the page that shows those of all.

    With `folder` and `slot` they are shared with the other processes of that folder; else
    they are this object's own. A folder is for the whole process: the client library keeps
    where it writes in a global.
    """

    def __init__(self, folder: Path | None = None, slot: int = 0) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        replaces = folder is not None and _take_over(folder, slot)
        self._define()
        self._processes.set(1)
        self._restarts.inc(float(replaces))
        for error in STATUS:
            self._refusals.labels(error.type)  # there from the start: a rate needs its zero
        self._request_children: dict[tuple[str, str, int], Histogram] = {}
        self._models: dict[str, ModelMetrics] = {}

    def model(self, name: str) -> ModelMetrics:
        """The metrics of one model."""
        if name not in self._models:
            self._models[name] = ModelMetrics(name, self._per_model)
        return self._models[name]

    def note_model(self, name: str, bundle: str, version: str, provider: str) -> None:
        """Which model is served under a name."""
        self._model_info.labels(name, bundle, version, provider).set(1)

    def note_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request has been answered."""
        key = (method, route or OTHER, status)
        child = self._request_children.get(key)
        if child is None:
            known = method if method in METHODS else OTHER
            child = self._requests.labels(known, key[1], str(status))
            if known is method:
                self._request_children[key] = child
        child.observe(seconds)

    def note_refusal(self, reason: str) -> None:
        """A request as a whole has been answered with an error of this type."""
        self._refusals.labels(reason).inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page, in the format that the header Accept asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        if self._folder is None:
            return encode(self._registry), content_type
        shared = CollectorRegistry()
        multiprocess.MultiProcessCollector(shared, str(self._folder))  # type: ignore[no-untyped-call]
        return encode(shared), content_type

    def _define(self) -> None:
        registry = self._registry
        self._requests = Histogram(
            "sentiment_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=registry,
        )
        self._refusals = Counter(
            "sentiment_refusals",
            "Requests answered with an error, by its type.",
            ["reason"],
            registry=registry,
        )
        self._restarts = Counter(
            "sentiment_process_restarts",
            "Serving processes that took the place of one that had ended or hung.",
            registry=registry,
        )
        self._processes = Gauge(
            "sentiment_processes",
            "Serving processes.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._model_info = Gauge(
            "sentiment_model_info",
            "1 for each model that is served.",
            ["model", "bundle", "version", "provider"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._per_model = _PerModel(registry)


class _PerModel:
    """The metrics that have a model for their label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def count(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(name, documentation, ["model", *labels], registry=registry)

        def measure(name: str, documentation: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, documentation, ["model"], buckets=buckets, registry=registry)

        def gauge(name: str, documentation: str) -> Gauge:
            return Gauge(
                name, documentation, ["model"], multiprocess_mode="livesum", registry=registry
            )

        self.queued = measure(
            "sentiment_queue_seconds", "Seconds until the first of a request's texts ran.", SECONDS
        )
        self.refused_texts = count(
            "sentiment_refused_texts",
            "Texts that had an error in place of an answer, by its type.",
            "reason",
        )
        self.engine = measure("sentiment_engine_seconds", "Seconds of an engine run.", SECONDS)
        self.failures = count("sentiment_engine_failures", "Engine runs that failed.")
        self.batch = measure("sentiment_batch_texts", "Texts in an engine run.", TEXTS)
        self.texts = count("sentiment_texts", "Texts that the engine has run.")
        self.tokens = count("sentiment_tokens", "Tokens that the engine has run.")
        self.padding = count(
            "sentiment_padding_tokens", "Places in engine runs that padding filled."
        )
        self.hits = count("sentiment_cache_hits", "Texts that the cache has answered.")
        self.queue_tokens = gauge("sentiment_queue_tokens", "Tokens that wait to be run.")
        self.queue_texts = gauge("sentiment_queue_texts", "Texts that wait to be run.")


class ModelMetrics:
    """The metrics of one model, its label looked up once."""

    def __init__(self, name: str, metrics: _PerModel) -> None:
        self._name = name
        self._refused_texts = metrics.refused_texts
        for reason in TEXT_REASONS:
            self._refused_texts.labels(name, reason)
        self._queued = metrics.queued.labels(name)
        self._engine = metrics.engine.labels(name)
        self._failures = metrics.failures.labels(name)
        self._batch = metrics.batch.labels(name)
        self._texts = metrics.texts.labels(name)
        self._tokens = metrics.tokens.labels(name)
        self._padding = metrics.padding.labels(name)
        self._hits = metrics.hits.labels(name)
        self._queue_tokens = metrics.queue_tokens.labels(name)
        self._queue_texts = metrics.queue_texts.labels(name)

    def note_queued(self, seconds: float) -> None:
        """A request has left the queue."""
        self._queued.observe(seconds)

    def note_refused_text(self, reason: str) -> None:
        """A text of an answered request has an error of this type in place of an answer."""
        self._refused_texts.labels(self._name, reason).inc()

    def note_run(self, texts: int, tokens: int, longest: int, seconds: float) -> None:
        """The engine has run a batch."""
        self._engine.observe(seconds)
        self._batch.observe(texts)
        self._texts.inc(texts)
        self._tokens.inc(tokens)
        self._padding.inc(texts * longest - tokens)

    def note_failure(self) -> None:
        """The engine has failed with a batch."""
        self._failures.inc()

    def note_hits(self, texts: int) -> None:
        """The cache has answered so many texts."""
        self._hits.inc(texts)

    def note_queue(self, tokens: int, texts: int) -> None:
        """How much waits now."""
        self._queue_tokens.set(tokens)
        self._queue_texts.set(texts)


@contextmanager
def open_metrics_folder() -> Iterator[Path]:
    """A private folder for the metrics of several processes, removed at the end.

    In memory where the system has such a place: a disk would hold up who writes to it. What
    servers have left there that were killed is removed first. Raises MetricsError when
    nothing can be written anywhere.
    """
    parent = MEMORY if os.access(MEMORY, os.W_OK) else None
    try:
        folder = tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=parent)
    except OSError as error:
        raise MetricsError(f"no folder can be made for the metrics: {error.strerror}") from error
    with folder as path, _in_use(Path(path)):
        _sweep(Path(path).parent)
        yield Path(path)


@contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Lock a folder for as long as this process or one that it has forked is there."""
    with (folder / "locking").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "locking").rename(folder / LOCK)
        yield


def _sweep(parent: Path) -> None:
    """Remove the folders that nobody locks any more."""
    for lock in parent.glob(f"{FOLDER_PREFIX}*/{LOCK}"):
        try:
            with lock.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent)
        except OSError:
            continue  # in use, or another user's, or gone meanwhile


def _take_over(folder: Path, slot: int) -> bool:
    """Make the files of a slot those of this process; whether another had them before."""
    replaces = (folder / f"counter_{slot}.db").exists()
    multiprocess.mark_process_dead(slot, str(folder))  # type: ignore[no-untyped-call]
    # The library looks at the variable, and at this class whenever a metric is made.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
    return replaces
