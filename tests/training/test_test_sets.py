from __future__ import annotations

from pathlib import Path

import pytest

from service.model import Model
from tests.training.samples import data_set, reviews, write_csv, write_project
from training.errors import ConfigError, DataError
from training.test_sets import open_test_sets, sample

POLAR = ("negative", "positive")


def test_a_file_is_a_set_named_after_it(model: Model, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "My Reviews.v2.csv", [("fine", "1"), ("poor", "0")])
    names = {"0": "negative", "1": "positive"}
    fields = {"text_column": "review", "label_column": "sentiment", "rename_labels": names}
    (found,) = open_test_sets(model, path, file_fields=fields)
    assert found.name == "my-reviews"
    assert (found.test.texts, found.test.labels) == (("fine", "poor"), ("positive", "negative"))


def test_train_rows_can_be_named_beside_a_file(model: Model, tmp_path: Path) -> None:
    header = ("text", "label")
    test = write_csv(tmp_path / "test.csv", reviews(10), header)
    train = write_csv(tmp_path / "train.csv", reviews(40), header)
    (found,) = open_test_sets(model, test, file_fields={"train": str(train)})
    assert len(found.test) == 10
    assert not set(found.train.texts) & set(found.test.texts)


def test_a_run_gives_its_sets(model: Model, tmp_path: Path) -> None:
    run_file = write_project(tmp_path)
    (found,) = open_test_sets(model, run_file, folder=tmp_path, overrides={"seed": "3"})
    assert (found.name, len(found.test)) == ("reviews", 40)


def test_what_belongs_to_the_other_kind_is_refused(model: Model, tmp_path: Path) -> None:
    run_file = write_project(tmp_path)
    with pytest.raises(ConfigError, match=r"text_column: only for a data file; .*run\.toml"):
        open_test_sets(model, run_file, folder=tmp_path, file_fields={"text_column": "x"})
    with pytest.raises(ConfigError, match=r"--set seed: only for a run; .*test\.csv"):
        open_test_sets(model, tmp_path / "test.csv", overrides={"seed": "3"})


def test_labels_that_the_bundle_lacks_are_refused(model: Model, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "test.csv", [("fine", "joy")], ("text", "label"))
    with pytest.raises(DataError, match="row 1: unknown label 'joy'"):
        open_test_sets(model, path)


def test_a_sample_is_the_same_every_time_and_leaves_the_other_split() -> None:
    whole = data_set("s", POLAR, test=reviews(50), dev=reviews(20, 1))
    (few,) = sample([whole], "test", 10)
    assert (len(few.test), few.dev) == (10, whole.dev)
    assert set(few.test.texts) < set(whole.test.texts)
    assert sample([whole], "test", 10) == [few]
    assert sample([whole], "dev", 99) == [whole]
