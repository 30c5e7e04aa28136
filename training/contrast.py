"""Contrast pairs: a text and its smallest rewriting that says the opposite.

After Gardner et al. 2020 (contrast sets): a model that goes by the words around what
matters gives both the same answer. `probes/contrast.csv` was written for this project;
none of its texts is of a data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.model import Model
from training.datasets import TWO_WAY
from training.errors import DataError
from training.evaluate import logits_of
from training.files import read_file
from training.metrics import Bool, Figure, accuracy

CONTRAST_FILE = Path(__file__).parent / "probes" / "contrast.csv"
COLUMNS = ("language", "phenomenon", "positive", "negative")


@dataclass(frozen=True)
class Pair:
    """Two texts that differ little and mean the opposite, and what turns the one into the other."""

    language: str
    phenomenon: str
    positive: str
    negative: str


@dataclass(frozen=True)
class PairScores:
    """How many pairs, and how many of their texts, were told apart; a text alone is easier."""

    language: str
    phenomenon: str
    rows: int
    """In pairs."""
    pairs: Figure
    """Share of pairs of which both texts were right."""
    texts: Figure


def read_pairs(path: Path = CONTRAST_FILE) -> list[Pair]:
    """Pairs of a file with the columns language, phenomenon, positive and negative.

    Raises DataError naming the file and what it lacks.
    """
    frame, _ = read_file(path)
    if missing := [column for column in COLUMNS if column not in frame.columns]:
        raise DataError(f"{path}: no column {missing[0]!r}; it has {list(frame.columns)}")
    columns = frame[list(COLUMNS)]
    for row, empty in enumerate(columns.isna().any(axis=1), start=1):
        if empty:
            raise DataError(f"{path}: row {row}: a cell is empty")
    return [Pair(*map(str, row)) for row in columns.itertuples(index=False)]


def probe(model: Model, pairs: Sequence[Pair]) -> list[PairScores]:
    """Scores per language and phenomenon, after those of all phenomena of the language.

    A text is right when its label is likelier than the opposite; neutral is left out.
    Raises DataError for a model without the two labels.
    """
    right = np.stack([_right(model, pairs, label) for label in TWO_WAY])  # (2, N)
    languages = list(dict.fromkeys(pair.language for pair in pairs))
    scores = []
    for language in languages:
        of_language = np.array([pair.language == language for pair in pairs])
        kinds = [pair.phenomenon for pair in pairs if pair.language == language]
        scores.append(_scores(language, "all", right[:, of_language]))
        for kind in dict.fromkeys(kinds):
            inside = of_language & np.array([pair.phenomenon == kind for pair in pairs])
            scores.append(_scores(language, kind, right[:, inside]))
    return scores


def probe_markdown(scores: Sequence[PairScores]) -> str:
    """A table, percent with 95% confidence intervals."""
    lines = [
        "| language | phenomenon | pairs | both of a pair right | texts right |",
        "| --- | --- | ---: | --- | --- |",
    ]
    for found in scores:
        lines.append(
            f"| {found.language} | {found.phenomenon} | {found.rows} "
            f"| {found.pairs} | {found.texts} |"
        )
    return "\n".join(lines)


def _right(model: Model, pairs: Sequence[Pair], label: str) -> Bool:
    """Whether each pair's text of this label (N,) is taken for it rather than the opposite."""
    labels = model.manifest.labels
    if missing := set(TWO_WAY) - set(labels):
        raise DataError(f"the bundle's labels {list(labels)} lack {min(missing)!r}")
    (opposite,) = set(TWO_WAY) - {label}
    logits = logits_of(model, [getattr(pair, label) for pair in pairs])
    right: Bool = logits[:, labels.index(label)] > logits[:, labels.index(opposite)]
    return right


def _scores(language: str, phenomenon: str, right: Bool) -> PairScores:
    rows = right.shape[1]
    return PairScores(
        language=language,
        phenomenon=phenomenon,
        rows=rows,
        pairs=accuracy(int(right.all(axis=0).sum()), rows),
        texts=accuracy(int(right.sum()), right.size),
    )
