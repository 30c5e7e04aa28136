"""Files of rows: what reading and writing have in common, whatever the format.

A table is read in windows of rows and written again, each row with the answer to its text
beside it. Whatever else a file holds goes from the one to the other untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, BinaryIO, Literal, Protocol

from service.errors import InvalidInput, RequestError
from service.schemas import Answered, Encoding, ErrorResponse

Format = Literal["csv", "tsv", "jsonl", "xlsx", "parquet"]
Cell = str | float | None
Row = tuple[str | RequestError, Any]

WINDOW_ROWS = 256  # some milliseconds to read and to write
WINDOW_CHARS = 1_048_576
PREFIX = "sentiment_"
NAMED_COLUMNS = 50  # in an error: a file can have thousands
MAX_NAME_CHARS = 100


@dataclass(frozen=True)
class Window:
    """Rows that follow each other: the text of each, or why it has none, and the rest."""

    texts: Sequence[str | RequestError]
    rows: Any
    """What the format needs to write them again."""


class Writer(Protocol):
    """Writes rows with their answers."""

    def write(self, window: Window, answers: Sequence[Answered]) -> None:
        """The next window, an answer for each row."""

    def close(self) -> None:
        """The end of the file. It does not close the file itself."""


class Table(Protocol):
    """A file that has been opened and holds the column of texts."""

    @property
    def encoding(self) -> str | None:
        """How its text is encoded, where that differs from file to file."""

    @property
    def read(self) -> float:
        """The share of the file that has been read, from 0 to 1."""

    def windows(self) -> Iterator[Window]:
        """All rows, to be iterated once."""

    def writer(self, sink: BinaryIO, labels: Sequence[str]) -> Writer:
        """Writes a file of the same format with columns for `labels` added."""


@dataclass(frozen=True)
class TableOptions:
    """How a file is to be read. `max_row_chars` bounds the memory that one row can take."""

    format: Format
    column: str = "text"
    encoding: Encoding = "utf-8"
    max_row_chars: int = 1_048_576
    max_bytes: int | None = None
    """Of a compressed file, unpacked."""


def cut_windows(rows: Iterable[Row]) -> Iterator[Window]:
    """Rows in windows that are bounded by their count and their characters."""
    texts: list[str | RequestError] = []
    rest: list[Any] = []
    chars = 0
    for text, row in rows:
        texts.append(text)
        rest.append(row)
        chars += len(text) if isinstance(text, str) else 0
        if len(texts) == WINDOW_ROWS or chars >= WINDOW_CHARS:
            yield Window(texts, rest)
            texts, rest, chars = [], [], 0
    if texts:
        yield Window(texts, rest)


def find_column(columns: Sequence[str], column: str) -> int:
    """Where a column is. Raises InvalidInput naming those there are."""
    found = [index for index, name in enumerate(columns) if name == column]
    if not found:
        raise InvalidInput(
            f"there is no column {_short(column)!r}; the file has: {_enumerate(columns)}", "column"
        )
    if len(found) > 1:
        raise InvalidInput(f"there are {len(found)} columns {_short(column)!r}", "column")
    return found[0]


class Additions:
    """The columns that are added: their names, which no column of the file has, and their cells.

    `label` and `score` of the most probable label, `score_…` for every label, and `error`. When
    one of these is taken, all get a prefix.
    """

    def __init__(self, columns: Iterable[str], labels: Sequence[str]) -> None:
        plain = ["label", "score", *(f"score_{label}" for label in labels), "error"]
        self.prefix = find_prefix(columns, plain)
        self.names = [self.prefix + name for name in plain]
        self._labels = labels

    def cells(self, answer: Answered) -> Sequence[Cell]:
        """The cells of one row, None for an empty one."""
        if isinstance(answer, ErrorResponse):
            return [None] * (2 + len(self._labels)) + [answer.error.message]
        scores = [answer.scores.get(label) for label in self._labels]
        return [answer.label, answer.score, *scores, None]


def find_prefix(taken: Iterable[str], names: Iterable[str]) -> str:
    """What makes `names` differ from all that are taken: nothing, or the first of a series."""
    taken, names = set(taken), list(names)
    prefixes = ("" if n == 0 else PREFIX if n == 1 else f"{PREFIX}{n}_" for n in count())
    return next(prefix for prefix in prefixes if not taken & {prefix + name for name in names})


def _enumerate(columns: Sequence[str]) -> str:
    names = ", ".join(_short(name) for name in columns[:NAMED_COLUMNS])
    return names + (f" and {len(columns) - NAMED_COLUMNS} more" if columns[NAMED_COLUMNS:] else "")


def _short(name: str) -> str:
    return name[:MAX_NAME_CHARS].encode(errors="replace").decode()
