from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from service.engine import Float32, Int32
from service.model import Model
from training.data_config import DataSource
from training.datasets import DataSet
from training.errors import DataError
from training.evaluate import (
    Answers,
    Classify,
    Served,
    answer,
    evaluate,
    fit_temperatures,
    logits_of,
    score_set,
    scored_split,
)
from training.rows import Rows

POLAR = ("negative", "positive")
LABELS = ("negative", "neutral", "positive")


@dataclass
class FixedEngine:
    """Gives every text the same logits."""

    logits: tuple[float, ...]
    provider: str = "fixed"

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        return np.tile(np.array(self.logits, dtype=np.float32), (len(ids), 1))


class First:
    """Always says the first label, without a probability."""

    name = "first"

    def ready(self, data_set: DataSet, labels: Sequence[str]) -> Classify:
        return lambda texts: Answers(np.zeros(len(texts), dtype=np.int64))


def data_set(
    name: str,
    labels: tuple[str, ...],
    test: Sequence[str] = (),
    dev: Sequence[str] = (),
) -> DataSet:
    """Rows with these labels; what they say does not matter."""

    def rows(found: Sequence[str]) -> Rows:
        return Rows(tuple(f"text {index}" for index in range(len(found))), tuple(found))

    source = DataSource(name=name, train="train.csv")
    return DataSet(source, labels, Rows(), rows(dev), rows(test), {}, {})


def answering(model: Model, *logits: float) -> Model:
    return Model(model.bundle, model.tokenizer, FixedEngine(logits))


def test_two_way_accuracy_leaves_neutral_rows_and_the_neutral_logit_out(model: Model) -> None:
    test = ["positive", "positive", "negative", "neutral", "neutral"]
    found = evaluate(answering(model, 0.0, 9.0, 1.0), [data_set("s", LABELS, test)])["s"]
    assert found.two_way is not None
    assert found.all_labels is not None
    assert (found.two_way.rows, found.two_way.accuracy.value) == (3, pytest.approx(2 / 3))
    assert (found.all_labels.rows, found.all_labels.accuracy.value) == (5, pytest.approx(2 / 5))
    assert found.all_labels.macro_recall.value == pytest.approx(1 / 3)


def test_a_two_way_set_has_the_two_way_score_alone(model: Model) -> None:
    found = evaluate(answering(model, 0, 9, 1), [data_set("s", POLAR, ["positive", "negative"])])
    assert found["s"].two_way is not None
    assert found["s"].all_labels is None


def test_labels_of_ones_own_have_a_score_over_all_of_them() -> None:
    found = score_set(data_set("s", ("angry", "calm"), ["angry", "calm", "angry"]), First())
    assert found.two_way is None
    assert found.all_labels is not None
    assert found.all_labels.accuracy.value == pytest.approx(2 / 3)


def test_probabilities_are_those_of_the_temperature_fitted_for_these_labels(model: Model) -> None:
    fitted = {"negative|neutral|positive": 1.5, "negative|positive": 2.0}
    manifest = model.manifest.model_copy(update={"calibration": fitted})
    fixed = Model(
        replace(model.bundle, manifest=manifest), model.tokenizer, FixedEngine((0.0, 9.0, 2.0))
    )
    found = Served(fixed).ready(data_set("s", POLAR), POLAR)(["text"]).probabilities
    assert found is not None
    assert found[0, 1] == pytest.approx(1 / (1 + math.exp(-2 / 2.0)))
    found = Served(fixed).ready(data_set("s", LABELS), LABELS)(["text"]).probabilities
    assert found is not None
    assert found[0, 1] == pytest.approx(1 / (1 + math.exp(-9 / 1.5) + math.exp(-7 / 1.5)))


def test_answering_is_timed_and_fitting_is_not(model: Model) -> None:
    ticks = iter([10.0, 10.5])
    found = answer(
        data_set("s", POLAR, ["positive"] * 4), POLAR, First(), clock=lambda: next(ticks)
    )
    assert found is not None
    assert (found.seconds, found.texts_per_s) == (0.5, 8.0)
    assert found.right.tolist() == [False] * 4
    assert (found.scores.auc, found.scores.calibration_error) == (None, None)


def test_sets_without_test_rows_have_no_score(model: Model) -> None:
    assert evaluate(model, [data_set("s", POLAR, dev=["positive"])]) == {}


def test_dev_rows_are_scored_only_where_no_set_has_test_rows(model: Model) -> None:
    dev_only = data_set("d", POLAR, dev=["positive", "negative"])
    both = data_set("b", POLAR, ["positive"], dev=["positive", "negative"])
    assert scored_split([dev_only, both]) == "test"
    assert scored_split([dev_only]) == "dev"
    found = evaluate(answering(model, 0, 9, 1), [dev_only], "dev")["d"].two_way
    assert found is not None
    assert (found.rows, found.accuracy.value) == (2, 0.5)
    with pytest.raises(DataError, match="no data set has test or dev rows"):
        scored_split([data_set("n", POLAR)])


def test_a_three_way_set_whose_test_rows_are_all_neutral_has_no_two_way_score(
    model: Model,
) -> None:
    found = evaluate(answering(model, 0, 1, 0), [data_set("s", LABELS, ["neutral"])])["s"]
    assert found.two_way is None
    assert found.all_labels is not None


def test_labels_that_the_bundle_lacks_are_named(model: Model) -> None:
    with pytest.raises(DataError, match=r"s: the bundle's labels .* lack 'angry'"):
        evaluate(model, [data_set("s", ("angry", "positive"), ["positive"])])


def test_every_text_is_scored_as_the_service_scores_it(model: Model) -> None:
    texts = ["What a lovely film!", "味道很差", "The parcel arrived on Tuesday."]
    found = logits_of(model, texts)
    for text, row in zip(texts, found, strict=True):
        assert (row == model.logits([model.tokenizer.encode(text)])[0]).all()


def test_a_text_is_read_up_to_the_limit_of_the_bundle(model: Model) -> None:
    long = "a lovely film " * 100
    ids = model.tokenizer.encode(long)[: model.manifest.max_tokens]
    assert len(ids) == model.manifest.max_tokens
    assert (logits_of(model, [long])[0] == model.logits([ids])[0]).all()


def test_a_text_with_nothing_to_read_scores_0(model: Model) -> None:
    found = logits_of(model, ["\u200b", "lovely", ""])
    assert not found[[0, 2]].any()
    assert found[1].any()
    assert logits_of(model, []).shape == (0, 3)


def test_the_temperature_is_the_one_that_makes_the_answer_as_right_as_it_claims(
    model: Model,
) -> None:
    """A network sure by a margin of 5, right 4 times of 5: sigmoid(5 / T) = 0.8."""
    dev = ["positive"] * 4000 + ["negative"] * 1000
    found = fit_temperatures(answering(model, 0, 99, 5), [data_set("s", POLAR, dev=dev)])
    assert found == {"negative|positive": pytest.approx(5 / math.log(4), rel=5e-3)}


def test_where_dev_tells_nothing_against_it_the_temperature_stays_near_1(model: Model) -> None:
    """Right on every row: the likelihood alone would make the temperature ever smaller."""
    for rows, margin in ((30, 6), (30, 12), (1000, 8)):
        dev = data_set("s", POLAR, dev=["positive"] * rows)
        (found,) = fit_temperatures(answering(model, 0, 0, margin), [dev]).values()
        assert 0.8 < found < 1.01


def test_each_label_set_has_a_temperature_of_its_own(model: Model) -> None:
    sets = [
        data_set("two", POLAR, dev=["positive"] * 9000 + ["negative"] * 1000),
        data_set("two_more", POLAR, dev=["positive"] * 5000 + ["negative"] * 5000),
        data_set("three", LABELS, dev=["positive", "neutral", "negative", "positive"]),
        data_set("no_dev", ("negative", "neutral")),
    ]
    found = fit_temperatures(answering(model, 0, 0.5, 2), sets)
    assert list(found) == ["negative|neutral|positive", "negative|positive"]
    assert found["negative|positive"] == pytest.approx(2 / math.log(14 / 6), rel=1e-2)
