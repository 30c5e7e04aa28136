"""CSV and TSV: each row is kept as it was written, and gets cells added at its end."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from service.errors import InvalidInput, RequestError
from service.schemas import Answered
from service.tables import Additions, Cell, Row, TableOptions, Window, cut_windows, find_column

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
CHUNK_BYTES = 65_536
DELIMITERS = {"csv": ",;\t", "tsv": "\t,;"}

# What is not of the encoding becomes lone surrogates: the text of such a row is refused, and
# the bytes are written again as they were.
UNDECODABLE = "surrogateescape"


class DelimitedTable:
    """A CSV or TSV file with a header.

    A byte order mark decides on the encoding, else the options do; the delimiter is the one by
    which the header has the column of texts: of comma, semicolon and tab the first.
    """

    def __init__(self, source: BinaryIO, options: TableOptions) -> None:
        self._source = source
        self._size = max(1, source.seek(0, os.SEEK_END))
        source.seek(0)
        self._mark, self.encoding = _find_encoding(source, options.encoding)
        csv.field_size_limit(max(csv.field_size_limit(), options.max_row_chars))
        self._lines = _Lines(_read_lines(source, self.encoding), options.max_row_chars)
        self._delimiter, header = _read_header(self._lines, options)
        self._header, self._columns = header.raw, header.cells
        if not _is_clean(header.raw):
            raise InvalidInput(
                f"the header is not {self.encoding}; a file in GBK, as Excel in Chinese writes it, "
                "needs the encoding gb18030",
                "encoding",
            )
        self._index = find_column(self._columns, options.column)

    @property
    def read(self) -> float:
        return self._source.tell() / self._size

    def windows(self) -> Iterator[Window]:
        return cut_windows(self._rows())

    def writer(self, sink: BinaryIO, labels: Sequence[str]) -> DelimitedWriter:
        sink.write(self._mark)
        additions = Additions(self._columns, labels)
        writer = DelimitedWriter(sink, self.encoding, self._delimiter, additions)
        writer.write_row(self._header, list(additions.names))
        return writer

    def _rows(self) -> Iterator[Row]:
        for record in _read_records(self._lines, self._delimiter):
            missing = len(self._columns) - max(1, len(record.cells))
            yield self._read_text(record), (record.raw, self._delimiter * max(0, missing))

    def _read_text(self, record: _Record) -> str | RequestError:
        cells = record.cells
        if record.faulty:
            return InvalidInput("the quotes of the row do not match, or a cell is too long")
        if not cells:
            return InvalidInput("the row is blank")
        if len(cells) > len(self._columns):
            return InvalidInput(
                f"the row has {len(cells)} cells, the header {len(self._columns)}; "
                "is a quote missing?"
            )
        if len(cells) <= self._index:
            return InvalidInput(f"the row has {len(cells)} cells, the header {len(self._columns)}")
        return cells[self._index]


class DelimitedWriter:
    """Writes each row as it was, with the additions at its end."""

    def __init__(self, sink: BinaryIO, encoding: str, delimiter: str, additions: Additions) -> None:
        self._sink = sink
        self._encoding = encoding
        self._delimiter = delimiter
        self._additions = additions

    def write(self, window: Window, answers: Sequence[Answered]) -> None:
        for (raw, padding), answer in zip(window.rows, answers, strict=True):
            self.write_row(raw, self._additions.cells(answer), padding)

    def write_row(self, raw: str, cells: Sequence[Cell], padding: str = "") -> None:
        """A row and what is added to it; `padding` stands for the cells that it lacks."""
        row = raw.rstrip("\r\n")
        added = self._delimiter.join(["", *(self._quote(cell) for cell in cells)])
        self._sink.write(
            f"{row}{padding}{added}{raw[len(row) :]}".encode(self._encoding, UNDECODABLE)
        )

    def close(self) -> None:
        pass

    def _quote(self, cell: Cell) -> str:
        text = "" if cell is None else str(cell)
        if any(character in text for character in (self._delimiter, '"', "\r", "\n")):
            return '"' + text.replace('"', '""') + '"'
        return text


@dataclass(frozen=True)
class _Record:
    """A row as written, and its cells; `faulty` where its quotes do not match."""

    raw: str
    cells: list[str]
    faulty: bool = False


class _Lines:
    """The lines of a file, of which those of the current row are kept.

    They end where the file does, and where a row grows beyond the limit: `ended` says so.
    """

    def __init__(self, source: Iterator[str], max_row_chars: int) -> None:
        self._source = source
        self._max_row_chars = max_row_chars
        self._again: deque[str] = deque()
        self.begin_row()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = None
        if self._chars <= self._max_row_chars:
            line = self._again.popleft() if self._again else next(self._source, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.row.append(line)
        self._chars += len(line)
        return line

    def begin_row(self) -> None:
        self.row: list[str] = []
        self._chars = 0
        self.ended = False

    def retreat(self, to: int) -> None:
        """Give the lines of the row once more, but for the first `to`."""
        self._again.extendleft(reversed(self.row[to:]))
        del self.row[to:]


def _read_lines(source: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines with the ends they have: a cell may hold some, and each row keeps its own.

    As io.TextIOWrapper gives them, which would also take the source for its own and close it.
    """
    decoder = codecs.getincrementaldecoder(encoding)(UNDECODABLE)
    newlines = io.IncrementalNewlineDecoder(decoder, translate=False)
    parts: list[str] = []
    while chunk := source.read(CHUNK_BYTES):
        parts.append(newlines.decode(chunk))
        if "\n" in parts[-1] or "\r" in parts[-1]:
            *lines, last = io.StringIO("".join(parts), newline="").readlines()
            yield from lines
            parts = [last]
            if last.endswith(("\n", "\r")):
                yield parts.pop()
    parts.append(newlines.decode(b"", final=True))
    yield from io.StringIO("".join(parts), newline="").readlines()


def _read_header(lines: _Lines, options: TableOptions) -> tuple[str, _Record]:
    """The delimiter by which the header has the column, else the format's own; and the header."""
    headers = []
    for delimiter in DELIMITERS[options.format]:
        header = next(_read_records(lines, delimiter), None)
        if header and not header.faulty:
            headers.append((delimiter, header))
            if options.column in header.cells:
                return delimiter, header
        lines.retreat(to=0)
    if not headers:
        raise InvalidInput("the file has no header that can be read", "column")
    return headers[0]


def _read_records(lines: _Lines, delimiter: str) -> Iterator[_Record]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = None
        if cells is not None and not lines.ended:
            yield _Record("".join(lines.row), cells)
        elif lines.row:
            lines.retreat(to=1)  # the first line is at fault, not all that its quote swallowed
            yield _read_faulty(lines.row[0], delimiter)
        else:
            return


def _read_faulty(line: str, delimiter: str) -> _Record:
    """A line whose quotes do not match, so closed that it swallows nothing of what follows."""
    row = line.rstrip("\r\n")
    lines = _Lines(iter([row]), len(row))
    try:
        cells = next(csv.reader(lines, delimiter=delimiter))
    except csv.Error:  # a cell beyond the limit
        cells = []
    return _Record(f'{row}"{line[len(row) :]}' if lines.ended else line, cells, faulty=True)


def _find_encoding(source: BinaryIO, wanted: str) -> tuple[bytes, str]:
    """The byte order mark, which is then read, and the encoding."""
    head = source.read(3)
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            source.seek(len(mark))
            return mark, encoding
    source.seek(0)
    return b"", wanted


def _is_clean(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
