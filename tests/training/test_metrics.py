from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score

from training.metrics import Figure, score

LABELS = ("negative", "neutral", "positive")
TARGETS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 0, 2, 1, 0, 2, 2, 2, 1])


def test_accuracy_macro_recall_and_confusion() -> None:
    found = score(TARGETS, PREDICTED, LABELS)
    assert found.rows == 10
    assert found.accuracy.value == pytest.approx(0.7)
    assert found.macro_recall.value == pytest.approx((3 / 4 + 1 / 2 + 3 / 4) / 3)
    assert found.confusion == [[3, 0, 1], [1, 1, 0], [0, 1, 3]]


def test_the_accuracy_interval_is_wilsons() -> None:
    """By Wilson's formula, z = 1.96: 7 of 10 right."""
    accuracy = score(TARGETS, PREDICTED, LABELS).accuracy
    assert (accuracy.low, accuracy.high) == pytest.approx((0.3968, 0.8922), abs=1e-3)


@pytest.mark.parametrize("right", [True, False])
def test_intervals_stay_within_0_and_1(right: bool) -> None:
    found = score(TARGETS, TARGETS if right else (TARGETS + 1) % 3, LABELS)
    for figure in (found.accuracy, found.macro_recall):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert figure.value == float(right)


def test_the_macro_recall_interval_covers_what_it_claims() -> None:
    """Over many draws of a data set, 95 of 100 intervals hold the true recall."""
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [300, 100, 200])
    recalls = np.array([0.9, 0.6, 0.75])
    held = 0
    for _ in range(300):
        right = rng.random(len(targets)) < recalls[targets]
        found = score(targets, np.where(right, targets, (targets + 1) % 3), LABELS).macro_recall
        held += found.low <= recalls.mean() <= found.high
    assert 0.92 < held / 300 < 0.98


def test_a_label_without_rows_counts_in_no_recall() -> None:
    targets, predicted = np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2])
    expected = recall_score(targets, predicted, labels=[0, 2], average="macro")
    assert score(targets, predicted, LABELS).macro_recall.value == pytest.approx(expected)


def test_more_rows_narrow_the_interval() -> None:
    few, many = (score(np.tile(TARGETS, n), np.tile(PREDICTED, n), LABELS) for n in (1, 50))
    assert many.accuracy.high - many.accuracy.low < (few.accuracy.high - few.accuracy.low) / 5


def test_a_figure_reads_as_percent() -> None:
    assert str(Figure(0.9055, 0.9, 0.911)) == "90.5 (90.0-91.1)"
