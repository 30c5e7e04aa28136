from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from tests.training.samples import Row, reviews, write_csv
from training.config import parse_run
from training.data_config import DataSource
from training.datasets import DataSet, describe, load_data, load_file
from training.errors import DataError
from training.rows import Rows


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


# Columns


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


def test_so_many_train_rows_are_drawn_and_no_dev_row_is_lost(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", reviews(50), header=("text", "label"))
    whole, part = load(tmp_path, dev_share=0.2), load(tmp_path, dev_share=0.2, train_rows=10)
    assert part.dev == whole.dev
    assert len(part.train) == 10
    assert set(part.train.texts) < set(whole.train.texts)
    assert load(tmp_path, dev_share=0.2, train_rows=10).train == part.train
    assert load(tmp_path, dev_share=0.2, train_rows=40).train == whole.train


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


def test_a_cell_that_is_no_text_is_refused_with_its_row(tmp_path: Path) -> None:
    write(tmp_path, '{"text": "a", "label": "p"}\n{"text": ["b"], "label": "n"}', "train.jsonl")
    with pytest.raises(DataError, match=r"train\.jsonl: row 2: .*holds a list"):
        load(tmp_path, train="train.jsonl")


def test_parquet_bytes_are_not_taken_for_text(tmp_path: Path) -> None:
    pd.DataFrame({"text": [b"a", b"b"], "label": ["p", "n"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: row 1: .*holds a bytes, not a text"):
        load(tmp_path, train="t.parquet")


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


# A file to test on, without a run


def load_test(folder: Path, content: str, domain_column: str | None = None) -> DataSet:
    write(folder, content, "test.csv")
    source = DataSource(
        name="t",
        test=str(folder / "test.csv"),
        rename_labels={"1": "positive"},
        domain_column=domain_column,
    )
    return load_file(source, ("negative", "neutral", "positive"))


def test_a_file_says_what_its_rows_say_in_the_order_of_the_bundle(tmp_path: Path) -> None:
    found = load_test(tmp_path, "text,label\na,1\nb,neutral\nc,\nd,negative\n")
    assert found.labels == ("negative", "neutral", "positive")
    assert found.test == Rows(("a", "b", "d"), ("positive", "neutral", "negative"))
    assert found.dropped == {"without label": 1}


def test_a_file_of_one_polarity_is_two_way(tmp_path: Path) -> None:
    assert load_test(tmp_path, "text,label\na,1\n").labels == ("negative", "positive")


def test_domains_stay_with_their_rows(tmp_path: Path) -> None:
    content = "text,label,kind\na,1,books\n,1,films\nb,negative,films\n"
    found = load_test(tmp_path, content, domain_column="kind").test
    assert found.domains == ("books", "films")
    assert found.only(["negative"]).domains == ("films",)
    assert load_test(tmp_path, content).test.domains == ()


@pytest.mark.parametrize(
    ("content", "domain_column", "message"),
    [
        ("text,label\na,mixed\n", None, r"test\.csv: row 1: unknown label 'mixed'; known are"),
        ("text,label\na,\n", None, r"test\.csv: no row is left to score .*'without label': 1"),
        ("text,label\na,1\n", "kind", r"test\.csv: no column 'kind' \(see --domain-column\)"),
    ],
)
def test_a_file_that_cannot_be_tested_on_is_refused(
    tmp_path: Path, content: str, domain_column: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_test(tmp_path, content, domain_column)
