"""Logits to calibrated probabilities to labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """One text's answer: the winning label, and every label's probability in label order."""

    label: str
    score: float
    scores: dict[str, float]


def probabilities(logits: npt.NDArray[np.floating], temperature: float) -> Float64:
    """Softmax of logits (B, C) over the last axis at a temperature (Guo et al. 2017, eq. 9).

    Computed in float64 row by row, so that a row's result does not depend on the others.
    """
    scaled = logits.astype(np.float64) / temperature
    exponents = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def scored(row: Float64, labels: Sequence[str]) -> Scored:
    """The answer for one row of probabilities (C,)."""
    best = int(row.argmax())
    return Scored(labels[best], float(row[best]), dict(zip(labels, row.tolist(), strict=True)))


@dataclass(frozen=True)
class Polarity:
    """Where the probabilities of positive and of negative stand."""

    positive: int
    negative: int

    def score(self, rows: Float64) -> Float64:
        """Positive less negative (N,), from -1 to 1, of rows of probabilities (N, C)."""
        return rows[:, self.positive] - rows[:, self.negative]


def find_polarity(labels: Sequence[str]) -> Polarity | None:
    """The polarity of a label set, None when it lacks positive or negative in any case."""
    indices = {label.lower(): index for index, label in enumerate(labels)}
    if not {"positive", "negative"} <= indices.keys():
        return None
    return Polarity(indices["positive"], indices["negative"])
