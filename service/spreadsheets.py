"""XLSX: values, formulas and number formats of every sheet, streamed from one file to another.

What openpyxl does not stream (fonts, colours, widths, charts, pictures) is not kept.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import InvalidFileException

from service.errors import InvalidInput, MalformedBody, RequestError, TooLarge
from service.schemas import Answered
from service.tables import Additions, Cell, Row, TableOptions, Window, cut_windows, find_column

GENERAL = "General"  # the number format of a cell that has none


class SpreadsheetTable:
    """A workbook whose first sheet has the column of texts in its first row."""

    encoding = None

    def __init__(self, source: BinaryIO, options: TableOptions) -> None:
        with _readable():
            _check_size(source, options.max_bytes)
            self._workbook = openpyxl.load_workbook(source, read_only=True)
            if not self._workbook.worksheets:
                raise InvalidInput("the workbook has no sheet of cells", "column")
            self._sheet = self._workbook.worksheets[0]
            self._rows_left = self._sheet.iter_rows()
            self._header = list(next(self._rows_left, ()))
        self._columns = [_to_text(cell.value) for cell in self._header]
        self._index = find_column(self._columns, options.column)
        self._done = 1

    @property
    def read(self) -> float:
        return self._done / max(self._done, self._sheet.max_row or 1)

    def windows(self) -> Iterator[Window]:
        with _readable():
            yield from cut_windows(self._rows())

    def writer(self, sink: BinaryIO, labels: Sequence[str]) -> SpreadsheetWriter:
        additions = Additions(self._columns, labels)
        return SpreadsheetWriter(self._workbook, self._header, sink, additions)

    def _rows(self) -> Iterator[Row]:
        for row in self._rows_left:
            self._done += 1
            yield self._read_text(row), row

    def _read_text(self, row: Sequence[Any]) -> str | RequestError:
        cell = row[self._index] if self._index < len(row) else None
        if cell is not None and cell.data_type == "f":
            return InvalidInput("the cell holds a formula; put its value in its place")
        return _to_text(cell.value if cell else None)


class SpreadsheetWriter:
    """Writes the first sheet with the additions, and the others as they are."""

    def __init__(
        self, workbook: Any, header: Sequence[Any], sink: BinaryIO, additions: Additions
    ) -> None:
        self._source = workbook
        self._width = len(header)
        self._sink = sink
        self._additions = additions
        self._workbook = openpyxl.Workbook(write_only=True)
        self._sheets = [self._workbook.create_sheet(sheet.title) for sheet in workbook.worksheets]
        self._append(header, list(additions.names))

    def write(self, window: Window, answers: Sequence[Answered]) -> None:
        for row, answer in zip(window.rows, answers, strict=True):
            self._append(row, self._additions.cells(answer))

    def close(self) -> None:
        sheets = zip(self._source.worksheets[1:], self._sheets[1:], strict=True)
        for source, sheet in sheets:
            for row in source.iter_rows():
                sheet.append([_copy(sheet, cell) for cell in row])
        self._workbook.save(self._sink)

    def _append(self, row: Sequence[Any], added: Sequence[Cell]) -> None:
        sheet = self._sheets[0]
        kept = [_copy(sheet, cell) for cell in row]
        sheet.append([*kept, *[None] * (self._width - len(kept)), *added])


def _copy(sheet: Any, cell: Any) -> Any:
    if cell.value is None:
        return None
    copied = WriteOnlyCell(sheet, cell.value)
    copied.data_type = cell.data_type  # else a text that begins with = would become a formula
    if cell.number_format != GENERAL:
        copied.number_format = cell.number_format
    return copied


def _to_text(value: Any) -> str:
    return "" if value is None else str(value)


def _check_size(source: BinaryIO, max_bytes: int | None) -> None:
    with zipfile.ZipFile(source) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if max_bytes is not None and size > max_bytes:
        raise TooLarge(f"the file, unpacked, has {size} bytes, the limit is {max_bytes}")
    source.seek(0)


@contextmanager
def _readable() -> Iterator[None]:
    """What the parsers say of a file that is no workbook, as one error; and no warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that are not read
            yield
    except (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError) as error:
        raise MalformedBody("the file is no XLSX workbook, or a damaged one") from error
