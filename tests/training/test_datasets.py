from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.training.samples import Row, reviews, write_csv
from training.config import parse_run
from training.datasets import DataSet, describe, load_data
from training.errors import DataError

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


def load(folder: Path, run: dict[str, Any] | None = None, **source: Any) -> DataSet:
    """One data set from `train.csv`, or as `source` says."""
    table = {"name": "r", "train": "train.csv", **source}
    _, (data_set,) = load_data(parse_run({"name": "run", "data": [table], **(run or {})}), folder)
    return data_set


def rows_of(data_set: DataSet) -> list[Row]:
    both = [*zip(data_set.train.texts, data_set.train.labels, strict=True)]
    return [*both, *zip(data_set.dev.texts, data_set.dev.labels, strict=True)]


def write(folder: Path, content: str, name: str = "train.csv") -> Path:
    (folder / name).write_bytes(content.encode())
    return folder


# Formats


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str, packed: str) -> None:
    content = FORMATS[suffix](TRICKY)
    name = f"train{suffix}{packed}"
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    found = load(tmp_path, train=name, dev_share=0.0)
    assert rows_of(found) == list(TRICKY)
    assert found.dropped == {}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    for name, content in (
        ("train.csv", "text,label\ngood,p\nbad,n\n"),
        ("train.jsonl", '{"text": "good", "label": "p"}\n{"text": "bad", "label": "n"}\n'),
    ):
        write(tmp_path, "\ufeff" + content, name)
        assert len(load(tmp_path, train=name, dev_share=0.0).train) == 2


def test_columns_are_named_by_the_run(tmp_path: Path) -> None:
    write(tmp_path, "id,stars,body\n1,p,good\n2,n,bad\n")
    found = load(tmp_path, text_column="body", label_column="stars", dev_share=0.0)
    assert rows_of(found) == [("good", "p"), ("bad", "n")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("missing", [False, True])
def test_integer_labels_are_renamed_beside_missing_ones_too(
    tmp_path: Path, suffix: str, missing: bool
) -> None:
    frame = pd.DataFrame({"text": ["good", "bad", "so so"], "label": [1, 0, None]}, dtype=object)
    if not missing:
        frame = frame[:2]
    path = tmp_path / f"train{suffix}"
    match suffix:
        case ".csv" | ".tsv":
            frame.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
        case ".jsonl":
            path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
        case ".parquet":
            frame.assign(label=frame["label"].astype("Int64")).to_parquet(path)
    found = load(
        tmp_path,
        train=path.name,
        rename_labels={"0": "negative", "1": "positive"},
        dev_share=0.0,
    )
    assert rows_of(found) == [("good", "positive"), ("bad", "negative")]
    assert found.dropped == ({"without label": 1} if missing else {})


# Hugging Face data sets, by name; a local folder is a name too


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that `datasets.load_dataset` takes for a data set; its cache is thrown away."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    folder = tmp_path / "hub"
    folder.mkdir()
    return folder


def load_hub(hub: Path, **source: Any) -> DataSet:
    return load(hub.parent / "nowhere", hub=str(hub), **{"train": "train", **source})


def test_a_hub_data_set_of_csv_files_is_read_by_split(hub: Path) -> None:
    header = ("text", "label")
    write_csv(hub / "train.csv", reviews(20), header)
    write_csv(hub / "test.csv", reviews(6, seed=1), header)
    found = load_hub(hub, test="test", dev_share=0.2)
    assert sorted(rows_of(found)) == sorted(reviews(20))
    assert len(found.dev) == 4
    assert [*zip(found.test.texts, found.test.labels, strict=True)] == reviews(6, seed=1)
    assert set(found.hashes) == {f"{hub}:train", f"{hub}:test"}


def test_a_hub_data_set_names_its_classes(hub: Path) -> None:
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["bad", "good"])
    )
    columns = {"text": ["fine", "poor", "secret", "unset"], "label": [1, 0, -1, None]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(hub / "train.parquet")
    found = load_hub(hub, rename_labels={"good": "positive"}, dev_share=0.0)
    assert rows_of(found) == [("fine", "positive"), ("poor", "bad")]
    assert found.dropped == {"without label": 2}


def test_integer_labels_of_a_hub_data_set_stay_integers_beside_missing_ones(hub: Path) -> None:
    columns = {"text": ["fine", "poor", "?"], "label": [1, 0, None]}
    datasets.Dataset.from_dict(columns).to_parquet(hub / "train.parquet")
    assert rows_of(load_hub(hub, dev_share=0.0)) == [("fine", "1"), ("poor", "0")]


def test_the_hash_of_a_hub_data_set_follows_its_rows(hub: Path) -> None:
    write_csv(hub / "train.csv", reviews(8), ("text", "label"))
    before = load_hub(hub).hashes
    write_csv(hub / "train.csv", reviews(9), ("text", "label"))
    assert load_hub(hub).hashes != before


def test_a_hub_data_set_that_is_not_there_is_named(hub: Path) -> None:
    with pytest.raises(DataError, match="none_such"):
        load_hub(hub / "none_such")


def test_a_split_that_a_hub_data_set_lacks_is_named(hub: Path) -> None:
    write_csv(hub / "train.csv", reviews(4), ("text", "label"))
    with pytest.raises(DataError, match="'validation'"):
        load_hub(hub, dev="validation")


def test_a_broken_hub_data_set_is_named(hub: Path) -> None:
    (hub / "train.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="hub"):
        load_hub(hub)


# What is dropped, and why


def test_dropped_rows_are_counted_by_reason(tmp_path: Path) -> None:
    train: list[Row] = [
        ("kept", "p"), ("kept too", "n"),
        ("", "p"), ("   ", "n"),
        ("no label", ""),
        ("kept", "p"),
        ("both", "p"), ("both", "n"),
        ("in dev", "p"), ("in test", "n"), ("in test", "n"),
    ]  # fmt: skip
    write_csv(tmp_path / "train.csv", train, ("text", "label"))
    write_csv(tmp_path / "dev.csv", [("in dev", "p"), (" ", "p")], ("text", "label"))
    write_csv(tmp_path / "test.csv", [("in test", "n"), ("open", "")], ("text", "label"))
    found = load(tmp_path, dev="dev.csv", test="test.csv")
    assert found.train.texts == ("kept", "kept too")
    assert (found.dev.texts, found.test.texts) == (("in dev",), ("in test",))
    assert found.dropped == {
        "without text": 3,
        "without label": 2,
        "repeated": 1,
        "labelled in two ways": 2,
        "also in dev or test": 3,
    }
    (line,) = describe([found])
    assert line.startswith("r: 2 train, 1 dev, 1 test; n/p; dropped: 3 without text, ")


def test_a_text_that_is_not_unicode_is_dropped(tmp_path: Path) -> None:
    lines = ['{"text": "\\ud83d cut emoji", "label": "p"}']
    lines += [json.dumps({"text": t, "label": n}) for t, n in (("good", "p"), ("bad", "n"))]
    write(tmp_path, "\n".join(lines), "train.jsonl")
    found = load(tmp_path, train="train.jsonl", dev_share=0.0)
    assert found.train.texts == ("good", "bad")
    assert found.dropped == {"not Unicode": 1}


# Held out


def test_dev_is_held_out_of_train_when_no_file_is_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", reviews(100), ("text", "label"))
    found = load(tmp_path, dev_share=0.2)
    assert (len(found.train), len(found.dev)) == (80, 20)
    assert not set(found.train.texts) & set(found.dev.texts)
    assert sorted(rows_of(found)) == sorted(reviews(100))


def test_holding_out_depends_on_the_seed_alone(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", reviews(100), ("text", "label"))
    assert load(tmp_path).dev == load(tmp_path).dev
    assert load(tmp_path).dev != load(tmp_path, run={"seed": 1}).dev


# Labels


def test_labels_are_those_of_the_data_in_order(tmp_path: Path) -> None:
    write(tmp_path, "text,label\na,z\nb,y\nc,x\n")
    run = parse_run({"name": "run", "data": [{"name": "r", "train": "train.csv"}]})
    labels, _ = load_data(run, tmp_path)
    assert labels == ("x", "y", "z")


def test_a_set_says_its_own_labels_in_the_order_of_the_run(tmp_path: Path) -> None:
    write(tmp_path, "text,label\na,neg\nb,pos\n", "two.csv")
    write(tmp_path, "text,label\nc,neg\nd,pos\ne,neu\n", "three.csv")
    sources = [
        {"name": name, "train": f"{name}.csv", "dev_share": 0.0} for name in ("two", "three")
    ]
    run = parse_run({"name": "run", "labels": ["pos", "neu", "neg"], "data": sources})
    labels, (two, three) = load_data(run, tmp_path)
    assert labels == three.labels == ("pos", "neu", "neg")
    assert two.labels == ("pos", "neg")


# Refusals: each names the file, and the row where there is one

GOOD = "text,label\ngood,p\nbad,n\n"


@pytest.mark.parametrize(
    ("content", "source", "message"),
    [
        ("text,label\ngood,p\nhm,q\n", {"labels": ["p", "n"]}, "row 2: unknown label 'q'"),
        ("text,label\na,p\nb,p\n", {}, r"holds one class only: \['p'\]"),
        ("text,label\n,p\n  ,n\n", {}, "the column 'text' holds no text"),
        ("text,label\n", {}, "the column 'text' holds no text"),
        (GOOD, {"text_column": "body"}, r"no column 'body' \(see text_column\); it has \['text'"),
        (GOOD, {"label_column": "y"}, r"no column 'y' \(see label_column\)"),
        ("text,label\na,p\nb,n,extra\n", {}, "cannot be parsed: .*line 3"),
        ("text,label\na,p,extra\nb,n,extra\n", {}, "row 1: has more cells than the header"),
        ('text,label\na,p\n"b,n\n', {}, "cannot be parsed: .*EOF inside string"),
        ("", {}, "cannot be parsed: No columns"),
        ("text,label\na,\nb,\n", {}, "no row is left to train on .*'without label': 2"),
    ],
)
def test_a_csv_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, content: str, source: dict[str, Any], message: str
) -> None:
    write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, **source)
    assert str(tmp_path / "train.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"text": "a", "label": "p"}\n{"text": "b"', "row 2: not JSON"),
        ('{"text": "a", "label": "p"}\n\n["b", "n"]', "row 3: not a JSON object"),
        ('{"text": "a", "label": "p"}\n{"text": ["b"], "label": "n"}', "row 2: .*holds a list"),
        ('[{"text": "a", "label": "p"}]', "row 1: not a JSON object"),
    ],
)
def test_json_lines_that_are_not_rows_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    write(tmp_path, lines, "train.jsonl")
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, train="train.jsonl")
    assert str(tmp_path / "train.jsonl") in str(caught.value)


def test_parquet_bytes_are_not_taken_for_text(tmp_path: Path) -> None:
    pd.DataFrame({"text": [b"a", b"b"], "label": ["p", "n"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: row 1: .*holds a bytes, not a text"):
        load(tmp_path, train="t.parquet")


@pytest.mark.parametrize("name", ["none.csv", "none.csv.gz", "none.parquet"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"none.*cannot be read"):
        load(tmp_path, train=name)


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
        load(tmp_path, train="train.csv.gz")


@pytest.mark.parametrize("name", ["train.csv", "train.jsonl", "train.parquet"])
def test_a_file_of_random_bytes_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(255, 100, -1)))
    with pytest.raises(DataError, match=name):
        load(tmp_path, train=name)


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"train\.xlsx: neither \.csv, \.tsv"):
        load(tmp_path, train="train.xlsx")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_label_that_no_train_row_has_is_refused_with_its_row(tmp_path: Path, split: str) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "text,label\nx,p\ny,mixed\n", "other.csv")
    with pytest.raises(DataError, match=r"other\.csv: row 2: unknown label 'mixed'; known are"):
        load(tmp_path, **{split: "other.csv"})


def test_a_label_of_the_run_that_no_train_row_has_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(DataError, match="no train row has the label 'x'"):
        load(tmp_path, run={"labels": ["n", "p", "x"]}, dev_share=0.0)


def test_one_class_over_all_sets_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "text,label\na,p\nb,p\n")
    with pytest.raises(DataError, match="one class only"):
        load(tmp_path, labels=["p", "n"], dev_share=0.0)
