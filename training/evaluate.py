"""What a bundle is worth: its figures on test sets, through the graph that is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import process_time
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from service.bundle import label_set_key
from service.engine import Float32
from service.model import Model
from service.postprocess import Float64, probabilities
from training.batching import Int
from training.datasets import TWO_WAY, DataSet, Split
from training.errors import DataError
from training.metrics import Bool, Scores, score
from training.rows import Rows

PRIOR_SD = 0.5
"""Of log T: 19 of 20 networks want a temperature between 0.4 and 2.7."""


@dataclass(frozen=True)
class Answers:
    """What was said of N texts, choosing among C labels."""

    predicted: Int
    """(N,), indices into the labels."""
    probabilities: Float64 | None = None
    """(N, C), where there are any."""

    @classmethod
    def of(cls, probabilities: Float64) -> Answers:
        return cls(probabilities.argmax(axis=-1), probabilities)


Classify = Callable[[Sequence[str]], Answers]


class Peer(Protocol):
    """Something that classifies texts: a bundle, a lexicon, a regression."""

    @property
    def name(self) -> str: ...

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify | None:
        """A classifier for this data set, fitted where need be; None if it cannot be one."""


@dataclass(frozen=True)
class Answered:
    """The rows of a data set with what a peer said of them, choosing among `labels`."""

    labels: tuple[str, ...]
    rows: Rows
    answers: Answers
    seconds: float

    @property
    def targets(self) -> Int:
        return np.array([self.labels.index(label) for label in self.rows.labels], dtype=np.int64)

    @property
    def right(self) -> Bool:
        found: Bool = self.answers.predicted == self.targets
        return found

    @property
    def texts_per_s(self) -> float:
        """Per second of processor time, so that a busy machine does not count."""
        return len(self.rows) / max(self.seconds, 1e-9)  # clocks have steps

    @cached_property
    def scores(self) -> Scores:
        return score(self.targets, self.answers.predicted, self.labels, self.answers.probabilities)


@dataclass(frozen=True)
class SetScores:
    """Figures of one data set: two-way with neutral left out, and over all its labels."""

    two_way: Scores | None
    """None where the set holds no positive and negative rows."""
    all_labels: Scores | None
    """None where the set can say no more than the two ways."""


def scored_split(data_sets: Sequence[DataSet]) -> Split:
    """Test, or dev where no data set has test rows.

    Raises DataError where none has dev rows either.
    """
    splits: tuple[Split, ...] = ("test", "dev")
    for split in splits:
        if any(len(data_set.split(split)) for data_set in data_sets):
            return split
    raise DataError("no data set has test or dev rows to score")


def evaluate(
    model: Model, data_sets: Sequence[DataSet], split: Split = "test"
) -> dict[str, SetScores]:
    """Scores of a model on the rows that each data set has in `split`.

    Raises DataError for a set with labels that the model does not have.
    """
    check_labels(model, data_sets)
    return {
        data_set.name: score_set(data_set, Served(model), split)
        for data_set in data_sets
        if len(data_set.split(split))
    }


def check_labels(model: Model, data_sets: Sequence[DataSet]) -> None:
    """Raises DataError for a set with labels that the model does not have."""
    labels = model.manifest.labels
    for data_set in data_sets:
        if unknown := set(data_set.labels) - set(labels):
            raise DataError(
                f"{data_set.name}: the bundle's labels {list(labels)} lack {min(unknown)!r}"
            )


class Served:
    """A bundle as a peer among others, answering as the service would."""

    def __init__(self, model: Model, threads: int = -1, name: str | None = None) -> None:
        self._model, self._threads = model, threads
        self.name = name or model.manifest.name

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify | None:
        """None where it does not know one of the labels."""
        manifest = self._model.manifest
        if not set(labels) <= set(manifest.labels):
            return None
        columns = [manifest.labels.index(label) for label in labels]
        key = label_set_key(tuple(label for label in manifest.labels if label in labels))
        temperature = manifest.calibration.get(key, manifest.temperature)

        def classify(texts: Sequence[str]) -> Answers:
            logits = logits_of(self._model, texts, self._threads)[:, columns]
            return Answers.of(probabilities(logits, temperature))

        return classify


def score_set(data_set: DataSet, peer: Peer, split: Split = "test") -> SetScores:
    """Both scores of one data set, whatever answers it."""

    def scores(labels: Sequence[str] | None) -> Scores | None:
        answered = labels and answer(data_set, labels, peer, split)
        return answered.scores if answered else None

    two_way, all_labels = views(data_set)
    return SetScores(scores(two_way), scores(all_labels))


def views(data_set: DataSet) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """The labels to choose among two-way, and over all: None where there is no such choice."""
    polar = set(TWO_WAY) <= set(data_set.labels)
    more = set(data_set.labels) != set(TWO_WAY)
    return TWO_WAY if polar else None, data_set.labels if more else None


def answer(
    data_set: DataSet,
    labels: Sequence[str],
    peer: Peer,
    split: Split = "test",
    clock: Callable[[], float] = process_time,
) -> Answered | None:
    """The rows with these labels, answered and timed; None where there are none, or no answer."""
    rows = data_set.split(split).only(labels)
    classify = peer.ready(data_set, labels) if len(rows) else None
    if classify is None:
        return None
    started = clock()
    answers = classify(rows.texts)
    return Answered(tuple(labels), rows, answers, clock() - started)


def logits_of(model: Model, texts: Sequence[str], threads: int = -1) -> Float32:
    """Logits (N, C) of texts, read up to the bundle's `max_tokens`; nothing readable scores 0."""
    encoded = model.tokenizer.encode_all(texts, threads=threads)
    readable = [index for index, ids in enumerate(encoded) if ids]
    logits = np.zeros((len(texts), len(model.manifest.labels)), dtype=np.float32)
    cut = [encoded[index][: model.manifest.max_tokens] for index in readable]
    if cut:
        logits[readable] = model.logits_of_many(cut)
    return logits


def fit_temperatures(model: Model, data_sets: Sequence[DataSet]) -> dict[str, float]:
    """Temperature per label set, fitted on the dev rows of the sets that say just these labels.

    Minimises the negative log-likelihood (Guo et al. 2017, section 4.2), with a normal prior
    on log T around T = 1. Where every dev row is right, the likelihood alone would make T ever
    smaller. A row says at most 0.44 about log T (Fisher information, two labels), so the prior
    counts as some 10 rows that find T = 1 right: nothing beside a thousand.
    """
    labels = model.manifest.labels
    temperatures: dict[str, float] = {}
    for label_set in {data_set.labels for data_set in data_sets}:
        columns = [labels.index(label) for label in label_set]
        dev = [d.dev for d in data_sets if d.labels == label_set and len(d.dev)]
        if dev:
            logits = np.concatenate([logits_of(model, rows.texts)[:, columns] for rows in dev])
            targets = np.array([label_set.index(name) for rows in dev for name in rows.labels])
            temperatures[label_set_key(label_set)] = _fit_temperature(logits, targets)
    return dict(sorted(temperatures.items()))


def _fit_temperature(logits: Float32, targets: npt.NDArray[np.int64]) -> float:
    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=-1)
        likelihood = log_p[np.arange(len(targets)), targets].sum()
        return float((log_temperature / PRIOR_SD) ** 2 / 2 - likelihood)

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
