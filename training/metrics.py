"""Figures with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm
from sklearn.metrics import confusion_matrix

from service.postprocess import Float64
from training.batching import Int

Bool = npt.NDArray[np.bool_]

CONFIDENCE = 0.95
RESAMPLES = 500
BINS = 15


@dataclass(frozen=True)
class Figure:
    """A share of 0..1 with its 95% confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


@dataclass(frozen=True)
class CalibrationError:
    """How far confidence is from accuracy, and how far chance alone would put them."""

    value: float
    """Expected calibration error in 15 bins."""
    by_chance: float
    """The same for answers that are right exactly as often as they say, in the mean."""

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ({100 * self.by_chance:.1f} by chance)"


@dataclass(frozen=True)
class Scores:
    """How one set of predictions compares with its targets."""

    rows: int
    labels: tuple[str, ...]
    accuracy: Figure
    macro_recall: Figure
    macro_f1: Figure
    confusion: list[list[int]]
    """Rows are the true labels, columns the predicted ones, in the order of `labels`."""
    auc: Figure | None
    """Area under the ROC curve, mean of each label against the others; None without
    probabilities, or where a label has no rows."""
    calibration_error: CalibrationError | None
    """None without probabilities."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows that were predicted with about the same confidence."""

    rows: int
    confidence: float
    accuracy: float


def score(
    targets: Int, predicted: Int, labels: Sequence[str], probabilities: Float64 | None = None
) -> Scores:
    """Scores of predictions (N,) against targets (N,), both indices into `labels`.

    `probabilities` (N, C) are those that the predictions were made of, if any.
    """
    confusion = confusion_matrix(targets, predicted, labels=range(len(labels)))
    return Scores(
        rows=len(targets),
        labels=tuple(labels),
        accuracy=accuracy(int(np.trace(confusion)), len(targets)),
        macro_recall=_macro_recall(confusion),
        macro_f1=_macro_f1(confusion),
        confusion=confusion.tolist(),
        auc=None if probabilities is None else _auc(targets, probabilities),
        calibration_error=(
            None if probabilities is None else calibration_error(targets, predicted, probabilities)
        ),
    )


def accuracy(right: int, rows: int) -> Figure:
    """A share of rows with the interval of Wilson (1927)."""
    interval = binomtest(right, rows).proportion_ci(CONFIDENCE, method="wilson")
    return Figure(right / rows, float(interval.low), float(interval.high))


def reliability(targets: Int, predicted: Int, probabilities: Float64) -> list[ReliabilityBin]:
    """Confidence against accuracy in 15 bins of equal width; empty ones are left out."""
    confidence = probabilities.max(axis=-1)
    number = _bin_of(confidence)
    right = predicted == targets
    return [
        ReliabilityBin(
            rows=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for inside in (number == index for index in range(BINS))
        if inside.any()
    ]


def calibration_error(targets: Int, predicted: Int, probabilities: Float64) -> CalibrationError:
    """Mean distance of confidence and accuracy, a bin weighing as many rows as it has.

    Guo et al. 2017, eq. 3. It has no interval, as resampling overstates it: few rows are off by
    chance. How far is drawn: the same confidences, and answers that are right as often as these say
    (consistency resampling, Bröcker & Smith 2007).
    """
    confidence = probabilities.max(axis=-1)
    number, rows = _bin_of(confidence), len(confidence)
    expected = np.bincount(number, confidence, minlength=BINS)

    def error(right: Bool) -> float:
        found = np.bincount(number, right, minlength=BINS)
        return float(np.abs(found - expected).sum() / rows)

    rng = np.random.default_rng(0)
    drawn = [error(rng.random(rows) < confidence) for _ in range(RESAMPLES)]
    return CalibrationError(error(predicted == targets), float(np.mean(drawn)))


def _bin_of(confidence: Float64) -> Int:
    numbers: Int = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return numbers


def _macro_recall(confusion: Int) -> Figure:
    """Mean of independent proportions, one a class: their variances add up (normal interval)."""
    rows = confusion.sum(axis=1)
    recalls = np.diag(confusion)[rows > 0] / rows[rows > 0]
    variance = (recalls * (1 - recalls) / rows[rows > 0]).sum() / len(recalls) ** 2
    margin = float(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(variance))
    value = float(recalls.mean())
    return Figure(value, max(0.0, value - margin), min(1.0, value + margin))


def _macro_f1(confusion: Int) -> Figure:
    """Bootstrap interval; resampled rows are a multinomial draw of the confusion matrix."""
    rows = int(confusion.sum())
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(rows, confusion.ravel() / rows, size=RESAMPLES)
    found = _f1_of(np.stack([confusion, *drawn.reshape(-1, *confusion.shape)]))
    return _interval(float(found[0]), found[1:])


def _f1_of(confusions: Int) -> Float64:
    """Macro F1 (K,) of K matrices (K, C, C), over the labels that are true or predicted at all."""
    hits = 2 * confusions.diagonal(axis1=1, axis2=2)
    present = confusions.sum(axis=1) + confusions.sum(axis=2)
    f1 = np.divide(hits, present, where=present > 0, out=np.full(hits.shape, np.nan))
    macro: Float64 = np.nanmean(f1, axis=1)
    return macro


def _auc(targets: Int, probabilities: Float64) -> Figure | None:
    """Bootstrap interval; rows are drawn anew within each label."""
    classes = probabilities.shape[1]
    rows_of = [np.flatnonzero(targets == index) for index in range(classes)]
    if not all(len(rows) for rows in rows_of):
        return None
    columns = [1] if classes == 2 else range(classes)
    ranks = {c: np.unique(probabilities[:, c], return_inverse=True)[1] for c in columns}

    def area(rows: Int) -> float:
        areas = [_area(ranks[column][rows], targets[rows] == column) for column in columns]
        return sum(areas) / len(areas)

    rng = np.random.default_rng(0)
    drawn = [
        area(np.concatenate([rng.choice(rows, len(rows)) for rows in rows_of]))
        for _ in range(RESAMPLES)
    ]
    return _interval(area(np.arange(len(targets))), np.array(drawn))


def _area(ranks: Int, positive: Bool) -> float:
    """How often a positive outranks another, a tie being half.

    The same as sklearn's, in a twentieth of the time: it is wanted for each resample.
    """
    size = int(ranks.max()) + 1
    others = np.bincount(ranks[~positive], minlength=size)
    below = others.cumsum() - others / 2
    wins = np.bincount(ranks[positive], minlength=size) @ below
    return float(wins / (positive.sum() * others.sum()))


def _interval(value: float, drawn: Float64) -> Figure:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
    return Figure(value, min(low, value), max(high, value))
