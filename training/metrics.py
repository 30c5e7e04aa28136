"""Figures with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, norm
from sklearn.metrics import confusion_matrix, f1_score

from training.batching import Int

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Figure:
    """A share of 0..1 with its 95% confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


@dataclass(frozen=True)
class Scores:
    """How one set of predictions compares with its targets."""

    rows: int
    labels: tuple[str, ...]
    accuracy: Figure
    macro_recall: Figure
    macro_f1: float
    confusion: list[list[int]]
    """Rows are the true labels, columns the predicted ones, in the order of `labels`."""


def score(targets: Int, predicted: Int, labels: Sequence[str]) -> Scores:
    """Scores of predictions (N,) against targets (N,), both indices into `labels`."""
    confusion = confusion_matrix(targets, predicted, labels=range(len(labels)))
    return Scores(
        rows=len(targets),
        labels=tuple(labels),
        accuracy=_accuracy(int(np.trace(confusion)), len(targets)),
        macro_recall=_macro_recall(confusion),
        macro_f1=float(f1_score(targets, predicted, average="macro", zero_division=0)),
        confusion=confusion.tolist(),
    )


def _accuracy(right: int, rows: int) -> Figure:
    """Interval of Wilson (1927)."""
    interval = binomtest(right, rows).proportion_ci(CONFIDENCE, method="wilson")
    return Figure(right / rows, float(interval.low), float(interval.high))


def _macro_recall(confusion: Int) -> Figure:
    """Mean of independent proportions, one a class: their variances add up (normal interval)."""
    rows = confusion.sum(axis=1)
    recalls = np.diag(confusion)[rows > 0] / rows[rows > 0]
    variance = (recalls * (1 - recalls) / rows[rows > 0]).sum() / len(recalls) ** 2
    margin = float(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(variance))
    value = float(recalls.mean())
    return Figure(value, max(0.0, value - margin), min(1.0, value + margin))
