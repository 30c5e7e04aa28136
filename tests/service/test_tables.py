"""What goes in comes out, with columns added and nothing else changed."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Sequence
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from service.errors import InvalidInput, MalformedBody, RequestError, TooLarge
from service.formats import open_table
from service.schemas import Answered, Prediction, describe_error
from service.tables import WINDOW_ROWS, TableOptions, find_prefix

LABELS = ("bad", "good")
ADDED = ["label", "score", "score_bad", "score_good", "error"]
GOOD = ["good", "0.75", "0.25", "0.75", ""]


def answer(text: str | RequestError) -> Answered:
    """An error stays one; any text is as good as the next."""
    if isinstance(text, RequestError):
        return describe_error(text)
    scores = {"good": 0.75, "bad": 0.25}
    return Prediction(label="good", score=0.75, scores=scores, tokens=1, truncated=False)


def answered(content: bytes, **options: Any) -> bytes:
    """The file with its answers."""
    table = open_table(io.BytesIO(content), TableOptions(**{"format": "csv", **options}))
    sink = io.BytesIO()
    writer = table.writer(sink, LABELS)
    for window in table.windows():
        writer.write(window, [answer(text) for text in window.texts])
    assert table.read == 1.0
    writer.close()
    return sink.getvalue()


def rows_of(content: bytes, encoding: str = "utf-8", delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter))


def check_rows(before: Sequence[list[str]], after: Sequence[list[str]]) -> None:
    """Every row is there as it was, with what was added behind it."""
    assert after[0] == [*before[0], *ADDED]
    assert after[1:] == [[*row, *GOOD] for row in before[1:]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_csv_keeps_every_cell(encoding: str, newline: str) -> None:
    text = newline.join(
        [
            "id,text,备注",
            '1,"他说""好"",然后走了",  spaces ',
            f'2,"two{newline}lines","quoted for nothing"',
            "3,it's 5\" long,",
            "",
        ]
    )
    content = text.encode(encoding)
    given = answered(content, encoding="gb18030" if encoding == "gb18030" else "utf-8")
    check_rows(rows_of(content, encoding), rows_of(given, encoding))
    assert given.startswith(text[:10].encode(encoding)), "the byte order mark, if there was one"
    assert '"quoted for nothing",good' in given.decode(encoding), "as it was written"


def test_csv_without_a_last_newline_has_none_after() -> None:
    assert answered(b"text\nx").endswith(b"\nx,good,0.75,0.25,0.75,")


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ";"), ("csv", "\t"), ("tsv", "\t")])
def test_the_delimiter_is_kept(format: str, delimiter: str) -> None:
    content = f'"a,b"{delimiter}text\n1{delimiter}"x{delimiter}y"\n'.encode()
    given = answered(content, format=format)
    check_rows(rows_of(content, delimiter=delimiter), rows_of(given, delimiter=delimiter))


def test_bytes_that_are_not_of_the_encoding_are_kept() -> None:
    given = answered(b"id,text\n\xff\xfe,good\n").splitlines()
    assert given[1] == b"\xff\xfe,good,good,0.75,0.25,0.75,"


def test_bad_rows_are_marked_in_place_and_no_other_is_lost() -> None:
    given = answered(b'id,text\n1,"open\n2,fine\n\n3\n4,a,b\n5,"x" y\n6,"end\n')
    errors = {row[0]: row[-1] for row in rows_of(given)[1:]}
    assert set(errors) == {"1", "2", "", "3", "4", "5", "6"}
    assert errors["2"] == ""
    assert errors[""] == "the row is blank"
    assert errors["3"] == "the row has 1 cells, the header 2"
    assert errors["4"].startswith("the row has 3 cells")
    for number in ("1", "5", "6"):
        assert errors[number].startswith("the quotes of the row do not match")
    assert [len(row) for row in rows_of(given)] == [7, 7, 7, 7, 7, 8, 7, 7]


def test_a_quote_that_swallows_rows_is_given_up_at_the_limit() -> None:
    content = b'text\n"open\n' + b"fine\n" * 1000
    rows = rows_of(answered(content, max_row_chars=100))
    assert rows[1][-1].startswith("the quotes")
    assert [row[:2] for row in rows[2:]] == [["fine", "good"]] * 1000


def test_a_cell_that_is_too_long_is_marked() -> None:
    long = b"x" * 2_000_000
    rows = answered(b"text\n" + long + b"\nfine\n", max_row_chars=1_048_576).splitlines()
    assert b"a cell is too long" in rows[1]
    assert rows[1].startswith(long)
    assert rows[2].startswith(b"fine,good")


@pytest.mark.parametrize(
    ("content", "param", "reason"),
    [
        (b"", "column", "no header"),
        (b"a,b\n1,2\n", "column", "no column 'text'; the file has: a, b"),
        (b"text,text\n1,2\n", "column", "2 columns 'text'"),
        ("评论,text\n1,2\n".encode("gbk"), "encoding", "gb18030"),
    ],
)
def test_a_file_without_the_column_is_refused(content: bytes, param: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        answered(content)
    assert refused.value.param == param


def test_added_columns_have_names_of_their_own() -> None:
    given = rows_of(answered(b"text,label,sentiment_score\nx,1,2\n"))
    assert given[0][3:] == [f"sentiment_2_{name}" for name in ADDED]
    assert find_prefix(["text"], ADDED) == ""


def test_rows_come_in_windows() -> None:
    content = b"text\n" + b"x\n" * (WINDOW_ROWS + 1)
    table = open_table(io.BytesIO(content), TableOptions(format="csv"))
    assert [len(window.texts) for window in table.windows()] == [WINDOW_ROWS, 1]


def test_json_lines_keep_each_object_as_it_was_written() -> None:
    given = answered(b'{"text": "x",  "n": 1.0}\n{"text":"\\u597d","label":0}\r\n', format="jsonl")
    first, second = given.splitlines(keepends=True)
    assert first.startswith(b'{"text": "x",  "n": 1.0, "label": "good", "score": 0.75')
    assert second.startswith(b'{"text":"\\u597d","label":0, "sentiment_label": "good"')
    assert second.endswith(b"}\r\n")


def test_json_lines_mark_what_is_none() -> None:
    lines = answered(b'nope\n[1]\n{}\n{"text":3}\n\xff\n{"text":"x"}', format="jsonl").splitlines()
    assert lines[0].startswith(b'{"line": "nope", "error": {"type": "malformed_body"')
    assert lines[1].startswith(b'{"line": "[1]", "error"')
    assert lines[2].startswith(b'{"error"')
    assert lines[3].startswith(b'{"text":3, "error"')
    assert b"cannot be read as JSON in UTF-8" in lines[4]
    assert lines[5].startswith(b'{"text":"x", "label": "good"')


def make_workbook() -> openpyxl.Workbook:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "评论"
    sheet.append(["id", "text", "when", "share", "twice"])
    sheet.append([1, "好,\n的", datetime.datetime(2024, 1, 2, 3), 0.5, "=A2*2"])
    sheet.append([2, 5, None, True])
    sheet.append([])
    sheet.append([3])
    sheet["D2"].number_format = "0%"
    sheet["B5"].value = "=1+1"
    sheet["B5"].data_type = "s"  # a text that only looks like a formula
    sheet["B6"] = "=1+1"
    other = workbook.create_sheet("other")
    other.append(["kept", 1.5])
    return workbook


def cells_of(sheet: Any) -> list[list[Any]]:
    return [[(c.value, c.data_type, c.number_format) for c in row] for row in sheet.iter_rows()]


def test_xlsx_keeps_values_formulas_number_formats_and_sheets() -> None:
    before = make_workbook()
    file = io.BytesIO()
    before.save(file)
    after = openpyxl.load_workbook(io.BytesIO(answered(file.getvalue(), format="xlsx")))
    assert after.sheetnames == ["评论", "other"]
    reread = openpyxl.load_workbook(file)
    assert cells_of(after["other"]) == cells_of(reread["other"])
    rows, expected = cells_of(after["评论"]), cells_of(reread["评论"])
    assert [row[:5] for row in rows] == expected
    added = [[value for value, _, _ in row[5:]] for row in rows]
    good = ["good", 0.75, 0.25, 0.75, None]
    # What is blank is for the pipeline to refuse, as everywhere.
    assert added[:5] == [ADDED, good, good, good, good]
    assert "formula" in added[5][-1]


def test_xlsx_is_refused_where_it_is_damaged_or_unpacks_too_far() -> None:
    file = io.BytesIO()
    make_workbook().save(file)
    for content in (b"", b"text\n", file.getvalue()[:-50]):
        with pytest.raises(MalformedBody, match="no XLSX workbook"):
            answered(content, format="xlsx")
    with pytest.raises(TooLarge, match="the limit is 5000"):
        answered(file.getvalue(), format="xlsx", max_bytes=5000)


def test_parquet_keeps_its_columns() -> None:
    before = pyarrow.table(
        {"text": ["a", None, "c"], "n": pyarrow.array([1, 2, None], "int8"), "label": [[1], [], []]}
    ).replace_schema_metadata({"made": "here"})
    file = io.BytesIO()
    pyarrow.parquet.write_table(before, file)
    after = pyarrow.parquet.read_table(io.BytesIO(answered(file.getvalue(), format="parquet")))
    assert after.select(["text", "n", "label"]).equals(before)
    assert after.schema.metadata == {b"made": b"here"}
    assert after["sentiment_label"].to_pylist() == ["good", None, "good"]
    assert after["sentiment_error"].to_pylist() == [None, "the text is missing", None]


def test_parquet_is_refused_where_the_column_is_not_of_text() -> None:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": [1]}), file)
    with pytest.raises(InvalidInput, match="is of int64"):
        answered(file.getvalue(), format="parquet")
    with pytest.raises(MalformedBody, match="no Parquet file"):
        answered(b"text\nx", format="parquet")
