"""Logits to calibrated probabilities to labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Row = Sequence[float]


class Scored(NamedTuple):
    """One text's answer: the winning label, and every label's probability in label order."""

    label: str
    score: float
    scores: dict[str, float]


def calibrate(logits: Row, temperature: float) -> list[float]:
    """Softmax of one text's logits (C,) at a temperature (Guo et al. 2017, eq. 9).

    Plain floats: for a few labels that is faster than arrays, and no text's result can
    depend on which others it is computed with.
    """
    highest = max(logits)
    exponents = [math.exp((logit - highest) / temperature) for logit in logits]
    total = sum(exponents)
    return [exponent / total for exponent in exponents]


def probabilities(logits: npt.NDArray[np.floating], temperature: float) -> Float64:
    """`calibrate` for each row of logits (B, C)."""
    return np.array([calibrate(row, temperature) for row in logits.tolist()])


def scored(row: Row, labels: Sequence[str]) -> Scored:
    """The answer for one text's probabilities or logits (C,); the first of equals wins."""
    best = max(row)
    return Scored(labels[row.index(best)], best, dict(zip(labels, row, strict=True)))


@dataclass(frozen=True)
class Polarity:
    """Where the probabilities of positive and of negative stand."""

    positive: int
    negative: int

    def score(self, row: Row) -> float:
        """Positive less negative, from -1 to 1, of a text's probabilities (C,)."""
        return row[self.positive] - row[self.negative]


def find_polarity(labels: Sequence[str]) -> Polarity | None:
    """The polarity of a label set, None when it lacks positive or negative in any case."""
    indices = {label.lower(): index for index, label in enumerate(labels)}
    if not {"positive", "negative"} <= indices.keys():
        return None
    return Polarity(indices["positive"], indices["negative"])
