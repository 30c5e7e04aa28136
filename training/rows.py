"""Labelled rows, and how they come out of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import pandas as pd

from training.data_config import DataSource
from training.errors import DataError


@dataclass(frozen=True)
class Rows:
    """Labelled texts in columns; `labels` are names, not numbers."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    domains: tuple[str, ...] = field(default=(), repr=False)  # the hash of hub rows leaves it out
    """What kind of text each is, where that was asked for and the file says it; else empty."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> Rows:
        return Rows(
            tuple(self.texts[index] for index in indices),
            tuple(self.labels[index] for index in indices),
            tuple(self.domains[index] for index in indices) if self.domains else (),
        )

    def sample(self, count: int) -> Rows:
        """At most so many rows, drawn as `sample` draws them."""
        return self if count >= len(self) else self.take(sample(self.texts, count))

    def only(self, labels: Sequence[str]) -> Rows:
        """The rows whose label is one of `labels`."""
        return self.take([i for i, label in enumerate(self.labels) if label in labels])


def from_frame(frame: pd.DataFrame, source: DataSource, origin: str) -> Rows:
    """Texts and renamed labels; a missing one becomes the empty string."""
    texts = text_cells(frame, source.text_column, origin)
    labels = _cells(frame, source.label_column, origin, "label_column")
    domains = []
    if source.domain_column and source.domain_column in frame.columns:
        domains = _cells(frame, source.domain_column, origin)
    renamed = tuple(source.rename_labels.get(label, label) for label in labels)
    return Rows(tuple(texts), renamed, tuple(domains))


def text_cells(frame: pd.DataFrame, column: str, origin: str) -> list[str]:
    """The texts of a table; a missing one becomes the empty string.

    Raises DataError, naming `origin`, for a missing column, a cell that is no text, and a
    column without any.
    """
    texts = _cells(frame, column, origin, "text_column")
    if not any(text.strip() for text in texts):
        raise DataError(f"{origin}: the column {column!r} holds no text")
    return texts


def _cells(frame: pd.DataFrame, column: str, origin: str, setting: str = "") -> list[str]:
    if column not in frame.columns:
        raise DataError(
            f"{origin}: no column {column!r} (see {setting}); it has {list(frame.columns)}"
        )
    cells: list[str] = []
    for row, value in enumerate(frame[column], start=1):
        if isinstance(value, bytes) or not pd.api.types.is_scalar(value):
            kind = type(value).__name__
            raise DataError(
                f"{origin}: row {row}: the column {column!r} holds a {kind}, not a text"
            )
        cells.append("" if pd.isna(value) else str(value))
    return cells


def sample(texts: Sequence[str], count: int) -> list[int]:
    """Indices of at most so many texts, as if at random, in their order.

    Those whose hashes are the least (bottom-k sampling, Cohen & Kaplan 2007): a text that comes
    or goes changes one of them at most, so nearly all stay whatever happens to a file.
    """
    keys = text_keys(texts)
    return sorted(sorted(range(len(texts)), key=keys.__getitem__)[:count])


def text_keys(texts: Sequence[str]) -> list[int]:
    """64 bits of a hash of each text: of a million, two are alike in one case of 40 million."""
    return [
        int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
        for text in texts
    ]


def kept(reasons: Iterable[str | None], dropped: Counter[str]) -> list[int]:
    """Which rows there is no reason to drop; the others are counted by theirs."""
    indices: list[int] = []
    for index, reason in enumerate(reasons):
        if reason:
            dropped[reason] += 1
        else:
            indices.append(index)
    return indices


def is_unicode(text: str) -> bool:
    """False for a text with a lone surrogate, which JSON can write and no tokenizer can read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
