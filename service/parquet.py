"""Parquet, by pyarrow, which the extra `files` installs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from service.errors import InvalidInput, MalformedBody, SentimentError
from service.schemas import Answered
from service.tables import WINDOW_ROWS, Additions, TableOptions, Window, find_column

GROUP_WINDOWS = 256  # some 65,000 rows


class MissingExtra(SentimentError):
    """A file needs a package that is not installed."""


class ParquetTable:
    """A Parquet file whose column of texts is of strings."""

    encoding = None

    def __init__(self, source: BinaryIO, options: TableOptions) -> None:
        arrow, parquet = _import_arrow()
        try:
            self._file = parquet.ParquetFile(source)
        except arrow.ArrowInvalid as error:
            raise MalformedBody("the file is no Parquet file, or a damaged one") from error
        self._schema = self._file.schema_arrow
        self._index = find_column(self._schema.names, options.column)
        kind = self._schema.types[self._index]
        if arrow.types.is_dictionary(kind):
            kind = kind.value_type
        if not (arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
            raise InvalidInput(f"the column {options.column!r} is of {kind}, not of text", "column")
        self._done = 0

    @property
    def read(self) -> float:
        return self._done / max(1, int(self._file.metadata.num_rows))

    def windows(self) -> Iterator[Window]:
        for batch in self._file.iter_batches(batch_size=WINDOW_ROWS):
            self._done += batch.num_rows
            texts = batch.column(self._index).to_pylist()
            missing = InvalidInput("the text is missing")
            yield Window([missing if text is None else text for text in texts], batch)

    def writer(self, sink: BinaryIO, labels: Sequence[str]) -> ParquetWriter:
        return ParquetWriter(self._schema, sink, Additions(self._schema.names, labels))


class ParquetWriter:
    """Writes the columns as they are, with those of the additions behind."""

    def __init__(self, schema: Any, sink: BinaryIO, additions: Additions) -> None:
        self._arrow, parquet = _import_arrow()
        text, number = self._arrow.string(), self._arrow.float64()
        *scores, _ = additions.names[1:]
        kinds = [text, *[number] * len(scores), text]
        for name, kind in zip(additions.names, kinds, strict=True):
            schema = schema.append(self._arrow.field(name, kind))
        self._kinds = kinds
        self._schema = schema
        self._additions = additions
        self._file = parquet.ParquetWriter(sink, schema)
        self._group: list[Any] = []

    def write(self, window: Window, answers: Sequence[Answered]) -> None:
        columns = zip(*(self._additions.cells(answer) for answer in answers), strict=True)
        added = [
            self._arrow.array(column, kind)
            for column, kind in zip(columns, self._kinds, strict=True)
        ]
        arrays = [*window.rows.columns, *added]
        self._group.append(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        if len(self._group) == GROUP_WINDOWS:
            self._write_group()

    def close(self) -> None:
        self._write_group()
        self._file.close()

    def _write_group(self) -> None:
        table = self._arrow.Table.from_batches(self._group, self._schema)
        self._file.write_table(table)
        self._group = []


def _import_arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra(
            "Parquet files need pyarrow: pip install 'sentiment-service[files]'"
        ) from None
    return pyarrow, pyarrow.parquet
