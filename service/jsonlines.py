"""JSON lines: reading a line, and files that get fields added to each object."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from service.errors import InvalidInput, MalformedBody, RequestError
from service.schemas import Answered
from service.tables import Row, TableOptions, Window, cut_windows, find_prefix

FIELDS = ("label", "score", "scores", "tokens", "truncated", "original_tokens", "error")


def parse_json(content: bytes, what: str) -> Any:
    """The value in some JSON. Raises MalformedBody, which calls it `what`."""
    try:
        return json.loads(content.decode())
    except json.JSONDecodeError as error:
        raise MalformedBody(f"the {what} is not JSON: {error.msg} at {error.pos}") from None
    except (ValueError, RecursionError):  # not UTF-8, endless digits, endless brackets
        raise MalformedBody(f"the {what} cannot be read as JSON in UTF-8") from None


class JsonLinesTable:
    """A file with an object a line, in UTF-8."""

    encoding = None

    def __init__(self, source: BinaryIO, options: TableOptions) -> None:
        self._source = source
        self._size = max(1, source.seek(0, os.SEEK_END))
        self._column = options.column
        self._done = 0
        source.seek(0)

    @property
    def read(self) -> float:
        return self._done / self._size

    def windows(self) -> Iterator[Window]:
        return cut_windows(self._rows())

    def writer(self, sink: BinaryIO, labels: Sequence[str]) -> JsonLinesWriter:
        return JsonLinesWriter(sink)

    def _rows(self) -> Iterator[Row]:
        for line in self._source:
            self._done += len(line)
            try:
                fields = parse_json(line.removeprefix(codecs.BOM_UTF8), "line")
            except MalformedBody as error:
                yield error, (line, None)
            else:
                yield self._read_text(fields), (line, fields)

    def _read_text(self, fields: Any) -> str | RequestError:
        if not isinstance(fields, dict):
            return InvalidInput("the line is not a JSON object")
        if self._column not in fields:
            return InvalidInput("the field is missing", self._column)
        text = fields[self._column]
        return text if isinstance(text, str) else InvalidInput("must be a text", self._column)


class JsonLinesWriter:
    """Writes each object as it was, with the fields of its answer at its end.

    A field that the object has already gets a prefix. A line that is no object becomes one
    with the error and, as `line`, what it was.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, window: Window, answers: Sequence[Answered]) -> None:
        for (line, fields), answer in zip(window.rows, answers, strict=True):
            self._sink.write(_add(line, fields, answer.model_dump(exclude_none=True)))

    def close(self) -> None:
        pass


def _add(line: bytes, fields: Any, answer: dict[str, Any]) -> bytes:
    written = line.rstrip()
    end = line[len(written) :]
    if not isinstance(fields, dict):
        return _dump({"line": written.decode(errors="replace"), **answer}) + end
    prefix = find_prefix(fields, FIELDS)
    added = _dump({prefix + name: value for name, value in answer.items()})
    return written[:-1].rstrip() + (b", " if fields else b"") + added[1:] + end


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()
