from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from service.bundle import sha256
from tests.training.samples import Row, reviews
from training.errors import DataError
from training.files import read_file

TRICKY: tuple[Row, ...] = (
    ('She said "never again", twice.', "negative"),
    ("First line.\nSecond line.\r\n\nLast line.", "positive"),
    ("NA", "negative"),
    ("null", "positive"),
    ("None", "negative"),
    ("tab\there, comma, semicolon; done", "positive"),
    ("屏幕不错，可是电池\u2028太差了。", "negative"),
    ("3.10", "positive"),
)


def csv_with(separator: str) -> Callable[[Sequence[Row]], bytes]:
    def written(rows: Sequence[Row]) -> bytes:
        frame = pd.DataFrame(rows, columns=["text", "label"])
        return frame.to_csv(index=False, sep=separator, lineterminator="\n").encode()

    return written


def as_json_lines(rows: Sequence[Row]) -> bytes:
    lines = [json.dumps({"text": t, "label": n}, ensure_ascii=False) + "\n" for t, n in rows]
    return "".join(lines).encode()


def as_parquet(rows: Sequence[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    texts, labels = zip(*rows, strict=True)
    pyarrow.parquet.write_table(pa.table({"text": list(texts), "label": list(labels)}), sink)
    return sink.getvalue().to_pybytes()


FORMATS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    ".csv": csv_with(","),
    ".tsv": csv_with("\t"),
    ".jsonl": as_json_lines,
    ".ndjson": as_json_lines,
    ".parquet": as_parquet,
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str, packed: str) -> None:
    content = FORMATS[suffix](TRICKY)
    name = f"train{suffix}{packed}"
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    frame, digest = read_file(tmp_path / name)
    assert [*zip(frame["text"], frame["label"], strict=True)] == list(TRICKY)
    assert digest == sha256((tmp_path / name).read_bytes())


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    for name, content in (
        ("train.csv", "text,label\ngood,p\nbad,n\n"),
        ("train.jsonl", '{"text": "good", "label": "p"}\n{"text": "bad", "label": "n"}\n'),
    ):
        (tmp_path / name).write_text("\ufeff" + content, encoding="utf-8")
        assert list(read_file(tmp_path / name)[0].columns) == ["text", "label"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,p\nb,n,extra\n", "cannot be parsed: .*line 3"),
        ("text,label\na,p,extra\nb,n,extra\n", "row 1: has more cells than the header"),
        ('text,label\na,p\n"b,n\n', "cannot be parsed: .*EOF inside string"),
        ("", "cannot be parsed: No columns"),
    ],
)
def test_a_csv_that_is_no_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "train.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"train\.csv: {message}"):
        read_file(tmp_path / "train.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"text": "a", "label": "p"}\n{"text": "b"', "row 2: not JSON"),
        ('{"text": "a", "label": "p"}\n\n["b", "n"]', "row 3: not a JSON object"),
        ('[{"text": "a", "label": "p"}]', "row 1: not a JSON object"),
    ],
)
def test_json_lines_that_are_not_rows_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "train.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(DataError, match=rf"train\.jsonl: {message}"):
        read_file(tmp_path / "train.jsonl")


@pytest.mark.parametrize("name", ["none.csv", "none.csv.gz", "none.parquet"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"none.*cannot be read"):
        read_file(tmp_path / name)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "garbled", "plain"])
def test_a_corrupt_gzip_file_is_named(tmp_path: Path, damage: str) -> None:
    content = gzip.compress(csv_with(",")(reviews(200)))
    middle = len(content) // 2
    broken = {
        "truncated": content[:middle],
        "flipped": content[:middle] + b"\xff" * 8 + content[middle + 8 :],
        "garbled": content[:10] + b"\xff" * 8 + content[18:],  # no such kind of block
        "plain": b"text,label\na,p\nb,n\n",
    }
    (tmp_path / "train.csv.gz").write_bytes(broken[damage])
    with pytest.raises(DataError, match=r"train\.csv\.gz: cannot be parsed"):
        read_file(tmp_path / "train.csv.gz")


@pytest.mark.parametrize("name", ["train.csv", "train.jsonl", "train.parquet"])
def test_a_file_of_random_bytes_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(255, 100, -1)))
    with pytest.raises(DataError, match=name):
        read_file(tmp_path / name)


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"train\.xlsx: neither \.csv, \.tsv"):
        read_file(tmp_path / "train.xlsx")
