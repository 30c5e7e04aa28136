"""Where a bundle is right and where it is wrong: by domain, by length, text by text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluate import Answered
from training.metrics import Bool, Figure, accuracy

LENGTHS = (16, 64, 256, 1024)
"""Longest text of each class of lengths but the last, in tokens."""


@dataclass(frozen=True)
class Slice:
    """The accuracy on some of the rows."""

    name: str
    rows: int
    accuracy: Figure


@dataclass(frozen=True)
class Mistake:
    """A text that was put under another label than its own, and how probable both were."""

    text: str
    label: str
    predicted: str
    probability: float
    probability_of_label: float


@dataclass(frozen=True)
class Breakdown:
    """Every view of one set of answers."""

    by_length: list[Slice]
    by_domain: list[Slice]
    mistakes: list[Mistake]


def break_down(answered: Answered, tokens: Sequence[int]) -> Breakdown:
    """All of the views below; `tokens` (N,) are the lengths of the rows."""
    return Breakdown(by_length(answered, tokens), by_domain(answered), mistakes(answered))


def by_domain(answered: Answered) -> list[Slice]:
    """One slice a domain, in alphabetical order; none where the rows name no domains."""
    domains = np.array(answered.rows.domains)
    return [_slice(str(name), answered, domains == name) for name in np.unique(domains)]


def by_length(answered: Answered, tokens: Sequence[int]) -> list[Slice]:
    """One slice a class of lengths that has rows; `tokens` (N,) are the lengths of the rows."""
    number = np.searchsorted(LENGTHS, np.array(tokens))
    starts = (0, *(longest + 1 for longest in LENGTHS))
    ends = (*LENGTHS, None)
    return [
        _slice(f"{start}-{end} tokens" if end else f"from {start} tokens", answered, inside)
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
        if (inside := number == index).any()
    ]


def mistakes(answered: Answered) -> list[Mistake]:
    """The rows that were answered wrongly, the surest first.

    Answers without probabilities count as sure.
    """
    labels, rows, answers = answered.labels, answered.rows, answered.answers
    given = answers.probabilities
    if given is None:
        given = np.eye(len(labels))[answers.predicted]
    wrong = np.flatnonzero(~answered.right)
    surest = wrong[np.argsort(-given[wrong, answers.predicted[wrong]], kind="stable")]
    return [
        Mistake(
            text=rows.texts[row],
            label=rows.labels[row],
            predicted=labels[answers.predicted[row]],
            probability=float(given[row, answers.predicted[row]]),
            probability_of_label=float(given[row, labels.index(rows.labels[row])]),
        )
        for row in surest.tolist()
    ]


def _slice(name: str, answered: Answered, inside: Bool) -> Slice:
    rows = int(inside.sum())
    return Slice(name, rows, accuracy(int(answered.right[inside].sum()), rows))
