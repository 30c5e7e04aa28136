from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.training.samples import data_set, reviews
from training.baseline import Regression, Vectors, evaluate_baselines

POLAR = ("negative", "positive")
LABELS = ("negative", "neutral", "positive")


@pytest.mark.parametrize("language", ["en", "zh", None])
def test_words_that_give_the_label_away_are_learnt(language: str | None) -> None:
    source = {"language": language} if language else {}
    found = evaluate_baselines(
        [data_set("s", LABELS, reviews(120, 0, LABELS), reviews(60, 1, LABELS), **source)]
    )["s"]
    assert found.all_labels is not None
    assert found.two_way is not None
    assert found.all_labels.accuracy.value > 0.9
    assert (found.all_labels.rows, found.two_way.rows) == (60, 40)


def test_unspaced_languages_are_read_by_character() -> None:
    train = [("这部电影真好看啊", "positive"), ("那部电影真难看啊", "negative")] * 5
    test = [("好看", "positive"), ("难看", "negative")]
    found = evaluate_baselines([data_set("s", POLAR, train, test, language="zh")])["s"]
    assert found.two_way is not None
    assert found.two_way.accuracy.value == 1.0


def test_the_rows_of_a_part_count_as_the_sets_own() -> None:
    whole = data_set("whole", POLAR, [("meh", "negative"), ("ok", "positive")], reviews(20, 1))
    part = data_set("part", POLAR, reviews(100), part_of="whole")
    alone = evaluate_baselines([whole])["whole"].two_way
    together = evaluate_baselines([whole, part])["whole"].two_way
    assert alone is not None
    assert together is not None
    assert alone.accuracy.value < 0.7 < 0.9 < together.accuracy.value


def test_a_two_way_part_teaches_nothing_about_neutral() -> None:
    """Its neutral words would be taken for polar ones."""
    whole = data_set("whole", LABELS, reviews(60, 0, LABELS), reviews(30, 1, LABELS))
    misleading = [(text, "positive") for text, _ in reviews(90, 2, ["neutral"])]
    part = data_set("part", POLAR, misleading, part_of="whole")
    alone, together = evaluate_baselines([whole])["whole"], evaluate_baselines([whole, part])
    assert together["whole"].all_labels == alone.all_labels
    assert alone.all_labels is not None


def test_a_set_without_train_rows_has_no_baseline() -> None:
    assert evaluate_baselines([data_set("s", POLAR, test=reviews(4))]) == {}


@pytest.mark.parametrize("labels", [POLAR, LABELS])
def test_train_rows_of_one_label_give_no_figure(labels: tuple[str, ...]) -> None:
    train = reviews(10, labels=["positive"])
    found = evaluate_baselines([data_set("s", labels, train, reviews(4))])["s"]
    assert (found.two_way, found.all_labels) == (None, None)


def test_train_rows_beyond_a_limit_are_left_out_at_random() -> None:
    seen: list[Sequence[str]] = []

    def lengths(language: str | None, train: Sequence[str], dev: Sequence[str]) -> Vectors:
        seen.append(train)
        return Vectors(*(np.array([[len(t)] for t in texts]) for texts in (train, dev)), np.array)

    train = reviews(100)
    found = data_set("s", POLAR, train)
    assert Regression("r", lengths, [found], max_train_rows=30).ready(found, POLAR) is not None
    assert Regression("r", lengths, [found], max_train_rows=100).ready(found, POLAR) is not None
    assert [len(texts) for texts in seen] == [30, 100]
    assert list(seen[0]) != [text for text, _ in train[:30]]
    assert set(seen[0]) < set(seen[1])


def test_a_regression_for_one_language_answers_no_other() -> None:
    def refuse(language: str | None, train: Sequence[str], dev: Sequence[str]) -> Vectors:
        raise AssertionError("is not asked")

    found = data_set("s", POLAR, reviews(20), language="zh")
    assert Regression("r", refuse, [found], language="en").ready(found, POLAR) is None
