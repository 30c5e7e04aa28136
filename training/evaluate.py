"""What a bundle is worth: its figures on test sets, through the graph that is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from service.bundle import label_set_key
from service.engine import Float32
from service.model import Model
from training.batching import Int
from training.datasets import DataSet, Rows, Split
from training.errors import DataError
from training.metrics import Scores, score

TWO_WAY = ("negative", "positive")
PRIOR_SD = 0.5
"""Of log T: 19 of 20 networks want a temperature between 0.4 and 2.7."""

Predict = Callable[[Rows, Sequence[str]], Int | None]
"""Rows and the labels to choose among -> predicted indices (N,) into those labels, if any."""


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
    labels = model.manifest.labels
    for data_set in data_sets:
        if unknown := set(data_set.labels) - set(labels):
            raise DataError(
                f"{data_set.name}: the bundle's labels {list(labels)} lack {min(unknown)!r}"
            )

    def predict(rows: Rows, among: Sequence[str]) -> Int:
        columns = [labels.index(label) for label in among]
        predicted: Int = logits_of(model, rows.texts)[:, columns].argmax(axis=-1)
        return predicted

    return {
        data_set.name: score_set(data_set, predict, split)
        for data_set in data_sets
        if len(data_set.split(split))
    }


def score_set(data_set: DataSet, predict: Predict, split: Split = "test") -> SetScores:
    """Both scores of one data set, whatever predicts it."""

    def scores(labels: Sequence[str]) -> Scores | None:
        rows = data_set.split(split).only(labels)
        predicted = predict(rows, labels) if len(rows) else None
        if predicted is None:
            return None
        targets = np.array([labels.index(label) for label in rows.labels], dtype=np.int64)
        return score(targets, predicted, labels)

    polar = set(TWO_WAY) <= set(data_set.labels)
    return SetScores(
        two_way=scores(TWO_WAY) if polar else None,
        all_labels=scores(data_set.labels) if set(data_set.labels) != set(TWO_WAY) else None,
    )


def logits_of(model: Model, texts: Sequence[str]) -> Float32:
    """Logits (N, C) of texts, read up to the bundle's `max_tokens`; nothing readable scores 0."""
    encoded = model.tokenizer.encode_all(texts, threads=-1)
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
