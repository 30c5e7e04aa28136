"""The formats of files of rows: how each is recognised, and what opens it."""

from __future__ import annotations

from typing import BinaryIO

from service.tables import Format, Table, TableOptions

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
}
MEDIA_TYPES: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/x-ndjson": "jsonl",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


def open_table(source: BinaryIO, options: TableOptions) -> Table:
    """The table in a file that can be sought in.

    Raises InvalidInput for a column that is not there, MalformedBody for a file of another
    format, TooLarge for one that unpacks too far.
    """
    # Here, since a server that gets no such files need not load what reads them.
    match options.format:
        case "csv" | "tsv":
            from service.delimited import DelimitedTable

            return DelimitedTable(source, options)
        case "jsonl":
            from service.jsonlines import JsonLinesTable

            return JsonLinesTable(source, options)
        case "xlsx":
            from service.spreadsheets import SpreadsheetTable

            return SpreadsheetTable(source, options)
        case "parquet":
            from service.parquet import ParquetTable

            return ParquetTable(source, options)
