"""The page's own reading of files, against Python's."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from tests.web.visit import Visit

pytestmark = pytest.mark.browser

TABLES = [
    "a,b\n1,2\n",
    'a,b\r\n"x, ""y""\r\nz",2\r\n',
    'a,b\n,\n"",""\n',
    'a,b\n1,he said "no"\n',
    "a,b\n1,2",
    'a,b\n1,"open\nto the end',
    "a\tb\n1,5\t2,5\n",
    "a;b\n1,5;2,5\n3,1;4\n",
    "a|b|c\nx y, z|2|3\n",
    "文本,标签\n“好”，真的,1\n😀,2\n",
]


@pytest.mark.parametrize("text", TABLES)
def test_delimited_text_is_read_as_python_reads_it(visit: Callable[..., Visit], text: str) -> None:
    body = """const delimiter = module.sniffDelimiter(argument);
      const records = module.parseDelimited(argument, delimiter);
      return [delimiter, records.map((record) => record.cells)]"""
    delimiter, cells = visit().run_module("csv", body, text)
    assert cells == list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert delimiter == csv.Sniffer().sniff(text.splitlines()[0], ",;\t|").delimiter


def test_a_written_field_is_read_back(visit: Callable[..., Visit]) -> None:
    values = ["", "plain", 'a "quote"', "a, comma", "two\nlines", "cr\r", " blank ", "😀"]
    body = "return argument.map((value) => module.writeField(value, ',')).join(',')"
    written = visit().run_module("csv", body, values)
    assert next(csv.reader(io.StringIO(written, newline=""))) == values


def test_a_model_with_labels_of_its_own_is_shown_too(visit: Callable[..., Visit]) -> None:
    body = """return [module.sortLabels(argument), argument.map(module.tone)]"""
    labels = ["joy", "Negative", "anger", "POSITIVE", "neutral"]
    order, tones = visit().run_module("labels", body, labels)
    assert order == ["POSITIVE", "neutral", "Negative", "joy", "anger"]
    assert tones == ["other", "negative", "other", "positive", "neutral"]
