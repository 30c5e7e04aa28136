from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from tests.training.samples import ROOT, write_project
from training.config import RunConfig, parse_run, read_run, run_as_dict
from training.errors import ConfigError

MINIMAL: dict[str, Any] = {"name": "mine", "data": [{"name": "reviews", "train": "a.csv"}]}


def test_a_minimal_run_needs_a_name_and_data_only() -> None:
    run = parse_run(MINIMAL)
    assert run.model.cell == "lstm"
    assert run.data[0].text_column == "text"


def test_a_run_is_frozen() -> None:
    run = parse_run(MINIMAL)
    with pytest.raises(FrozenInstanceError):
        run.training.passes = 9  # type: ignore[misc]


def test_a_run_survives_the_way_through_a_manifest(tmp_path: Path) -> None:
    run = read_run(write_project(tmp_path, data="rename_labels = {pos = 'positive'}"))
    assert parse_run(run_as_dict(run)) == run


def test_a_wrong_item_is_not_told_as_missing_too() -> None:
    with pytest.raises(ConfigError, match=r"^run: data\.0\.train_rows: [^;]*$"):
        parse_run(MINIMAL | {"data": [{"name": "r", "train": "a.csv", "train_rows": 0}]})


@pytest.mark.parametrize("path", sorted((ROOT / "training/runs").glob("*.toml")), ids=str)
def test_shipped_run_files_are_valid(path: Path) -> None:
    assert read_run(path).name == path.stem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": {"cell": "transformer"}}, "model.cell"),
        ({"model": {"hiden_size": 8}}, "model.hiden_size"),
        ({"model": {"pooling": []}}, "model.pooling"),
        ({"model": {"proj_size": 8, "cell": "gru"}}, "proj_size needs cell = 'lstm'"),
        ({"model": {"backward": True}}, "backward needs bidirectional = false"),
        ({"model": {"proj_size": 8, "hidden_size": 8}}, "smaller than hidden_size"),
        ({"training": {"passes": 0}}, "training.passes"),
        ({"training": {"precision": "fp64"}}, "training.precision"),
        ({"training": {"learning_rate": -1.0}}, "training.learning_rate"),
        ({"tokenizer": {"vocab_size": 70_000}}, "tokenizer.vocab_size"),
        ({"tokenizer": {"character_coverage": 0.9}}, "tokenizer.character_coverage"),
        ({"name": "My Model"}, "name"),
        ({"seed": -1}, "seed"),
        ({"golden": []}, "golden"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": ["a", "b", "a"]}, "labels repeat"),
        ({"data": []}, "data"),
        ({"data": [{"name": "x"}]}, "'x' names none of train, dev, test and templates"),
        (
            {"data": [{"name": "x", "train": "a.csv", "templates": "a.toml"}]},
            "'x' names templates beside train or hub",
        ),
        ({"data": [{"name": "x", "test": "t.csv"}]}, "no data set names train"),
        ({"data": [{"name": "x", "train": "a.csv"}] * 2}, "two data sets are named 'x'"),
        (
            {"data": [{"name": "x", "train": "a.csv", "part_of": "y"}]},
            "part_of names no data set: 'y'",
        ),
        (
            {"data": [{"name": "x", "train": "a.csv", "labels": ["a", "c"]}], "labels": ["a", "b"]},
            "x: 'c' is none of the run's labels",
        ),
    ],
)
def test_a_refusal_names_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run({**MINIMAL, **change}, source="run.toml")
    assert str(caught.value).startswith("run.toml: ")
    assert field in str(caught.value)


BUNDLE = {"teachers": [{"bundle": "models/large"}]}
TEXTS = [{"file": "texts.csv"}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distillation": {}}, "either teachers or folds"),
        ({"distillation": {**BUNDLE, "folds": 3}}, "either teachers or folds"),
        ({"distillation": {"folds": 1}}, "folds must be at least 2"),
        ({"distillation": {"folds": 3, "temperature": 0}}, "distillation.temperature"),
        ({"distillation": {"folds": 3, "hard_weight": 1.5}}, "distillation.hard_weight"),
        ({"distillation": {"teachers": [{}]}}, "either bundle or hugging_face"),
        (
            {"distillation": {"teachers": [{"bundle": "b", "max_tokens": 64}]}},
            "max_tokens is for hugging_face",
        ),
        (
            {"distillation": {"teachers": [{"hugging_face": "h", "max_tokens": 513}]}},
            "max_tokens: Input should be less than or equal to 512",
        ),
        (
            {
                "distillation": {
                    "teachers": [{"bundle": "b", "min_characters": 9, "max_characters": 8}]
                }
            },
            "max_characters 8 is less than min_characters 9",
        ),
        ({"unlabelled": TEXTS}, "unlabelled needs a [pretraining] or [distillation] table"),
        ({"unlabelled": [{"path": "texts.csv"}]}, "unlabelled.0.file"),
    ],
)
def test_a_distillation_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run({**MINIMAL, **change})
    assert message in str(caught.value)


def test_a_run_without_train_rows_needs_labels_a_teacher_and_texts() -> None:
    whole = {
        "name": "mine",
        "data": [{"name": "reviews", "dev": "a.csv"}],
        "labels": ["a", "b"],
        "unlabelled": TEXTS,
        "distillation": BUNDLE,
    }
    assert parse_run(run_as_dict(parse_run(whole))) == parse_run(whole)
    for lacking in ("labels", "unlabelled", "distillation"):
        with pytest.raises(ConfigError, match="no data set names train"):
            parse_run({key: value for key, value in whole.items() if key != lacking})


def test_settings_change_fields_and_make_tables(tmp_path: Path) -> None:
    run = read_run(
        write_project(tmp_path),
        {"training.passes": "7", "model.cell": "'gru'", "model.pooling": "['last']", "seed": "3"},
    )
    assert (run.training.passes, run.model.cell, run.seed) == (7, "gru", 3)
    assert run.model.pooling == ("last",)


def test_a_setting_without_a_value_leaves_the_field_out(tmp_path: Path) -> None:
    path = write_project(tmp_path, training="passes = 2")
    path.write_text(path.read_text() + "\n[ngrams]\nbuckets = 7\n")
    run = read_run(path, {"training.passes": "", "ngrams": "", "distillation": ""})
    assert run.training.passes == parse_run(MINIMAL).training.passes
    assert run.ngrams is None


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("model.cell", "gru", "--set model.cell: 'gru' is not a TOML value"),
        ("name", "", "name: Field required"),
        ("name.first", "1", "--set name.first: name is not a table"),
        ("model.size", "1", "model.size: "),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, setting: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run(write_project(tmp_path), {setting: value})
    assert message in str(caught.value)


def test_a_missing_run_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        read_run(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"name = ", b"name = '\xff'"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml: not TOML"):
        read_run(path)


def example_of(section: str, folder: Path) -> RunConfig:
    """The first run of a section of the documentation."""
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    example = page.partition(f"## {section}\n")[2].partition("```toml\n")[2].partition("```")[0]
    (folder / "run.toml").write_text(example, encoding="utf-8")
    return read_run(folder / "run.toml")


def test_the_runs_of_the_documentation_are_runs(tmp_path: Path) -> None:
    distilled = example_of("Learning from teachers", tmp_path)
    assert distilled.distillation is not None
    assert [teacher.bundle for teacher in distilled.distillation.teachers] == ["models/large", None]
    pretrained = example_of("Pretraining", tmp_path)
    assert pretrained.pretraining is not None
    assert [source.text_column for source in pretrained.unlabelled] == ["body"]
