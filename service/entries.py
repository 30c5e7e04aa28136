"""A stream's lines: texts to answer, and their answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from service.errors import InvalidInput, MalformedBody, RequestError
from service.jsonlines import parse_json
from service.lines import Line
from service.schemas import Answered, ErrorResponse, describe_error

FIELDS = {"id", "text"}


@dataclass(frozen=True)
class Entry:
    """What a line asks: a text, or why it has none; and its `id` as JSON, where it has one."""

    number: int
    text: str | RequestError
    id: str | None = None


def read_entry(line: Line) -> Entry:
    """A line that is an object with `text` and perhaps `id`, or just a text."""
    if isinstance(line.content, RequestError):
        return Entry(line.number, line.content)
    try:
        value = parse_json(line.content, "line")
        name = json.dumps(value["id"]) if isinstance(value, dict) and "id" in value else None
    except MalformedBody as error:
        return Entry(line.number, error)
    except RecursionError:
        return Entry(line.number, InvalidInput("is too deep", "id"))
    return Entry(line.number, _read_text(value), name)


def write_entry(entry: Entry, answer: Answered) -> bytes:
    """The line that answers an entry."""
    extra = [] if entry.id is None else [f'"id":{entry.id}']
    if isinstance(answer, ErrorResponse):
        extra.append(f'"line":{entry.number}')
    described = answer.model_dump_json(exclude_none=True)
    return ("{" + "".join(f"{field}," for field in extra) + described[1:] + "\n").encode()


def write_end(number: int, error: RequestError) -> bytes:
    """The last line of a stream that was cut short: from line `number` on, nothing is answered."""
    return write_entry(Entry(number, error), describe_error(error))


def _read_text(value: Any) -> str | RequestError:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return InvalidInput("the line must be an object with the field text, or a text")
    if unknown := value.keys() - FIELDS:
        name = min(unknown)[:100].encode(errors="replace").decode()
        return InvalidInput("there is no such field; id can hold anything", name)
    text = value.get("text")
    return text if isinstance(text, str) else InvalidInput("must be a text", "text")
