from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from training.metrics import Figure, ReliabilityBin, calibration_error, reliability, score

LABELS = ("negative", "neutral", "positive")
POLAR = ("negative", "positive")
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


def sure(confidence: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Two-way probabilities (N, 2) of predictions made with these confidences."""
    positive = np.where(predicted == 1, confidence, 1 - confidence)
    return np.stack([1 - positive, positive], axis=1)


def test_f1_is_that_of_sklearn_within_a_bootstrap_interval() -> None:
    found = score(TARGETS, PREDICTED, LABELS).macro_f1
    assert found.value == pytest.approx(f1_score(TARGETS, PREDICTED, average="macro"))
    assert found.low < found.value < found.high


def test_the_f1_interval_is_that_of_rows_drawn_anew() -> None:
    targets, predicted = np.tile(TARGETS, 30), np.tile(PREDICTED, 30)
    rng = np.random.default_rng(1)
    drawn = [
        f1_score(targets[rows], predicted[rows], average="macro")
        for rows in rng.integers(0, len(targets), (200, len(targets)))
    ]
    found = score(targets, predicted, LABELS).macro_f1
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.015)


@pytest.mark.parametrize("labels", [LABELS, LABELS[::2]])
def test_the_area_is_1_for_the_right_order_and_a_half_for_none(labels: tuple[str, ...]) -> None:
    targets = np.arange(60) % len(labels)
    right = np.eye(len(labels))[targets]
    found = score(targets, targets, labels, right).auc
    assert found == Figure(1.0, 1.0, 1.0)
    flat = score(targets, targets, labels, np.full_like(right, 1 / len(labels))).auc
    assert flat == Figure(0.5, 0.5, 0.5)


@pytest.mark.parametrize("labels", [LABELS, POLAR])
def test_the_area_is_that_of_sklearn_ties_included(labels: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    given = rng.integers(1, 5, (80, len(labels))).astype(float)
    given /= given.sum(axis=1, keepdims=True)
    targets = np.arange(80) % len(labels)
    found = score(targets, targets, labels, given).auc
    scores = given[:, 1] if labels == POLAR else given
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(targets, scores, multi_class="ovr"))


def test_the_area_interval_covers_what_it_claims() -> None:
    """Normal scores a distance of 1 apart have the area norm.cdf(1 / sqrt(2))."""
    rng = np.random.default_rng(0)
    targets = np.arange(200) % 2
    held = 0
    for _ in range(40):
        positive = 1 / (1 + np.exp(-(targets + rng.normal(size=200))))
        found = score(targets, targets, POLAR, np.stack([1 - positive, positive], axis=1)).auc
        assert found is not None
        held += found.low <= norm.cdf(1 / np.sqrt(2)) <= found.high
    assert held >= 35


def test_there_is_no_area_without_probabilities_or_without_rows_of_a_label() -> None:
    assert score(TARGETS, PREDICTED, LABELS).auc is None
    assert score(TARGETS, PREDICTED, LABELS).calibration_error is None
    ones = np.ones(4, dtype=np.int64)
    assert score(ones, ones, POLAR, np.eye(2)[ones]).auc is None


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    predicted = np.ones(10, dtype=np.int64)
    targets = np.array([1] * 6 + [0] * 4)
    found = score(targets, predicted, POLAR, sure(np.full(10, 0.9), predicted))
    assert found.calibration_error
    assert found.calibration_error.value == pytest.approx(0.3)
    honest = score(targets, predicted, POLAR, sure(np.full(10, 0.6), predicted))
    assert honest.calibration_error
    assert honest.calibration_error.value == pytest.approx(0)
    # By chance: the mean distance from 0.6 of the share of ten that are right.
    spread = binom(10, 0.6).expect(lambda right: abs(right / 10 - 0.6))
    assert honest.calibration_error.by_chance == pytest.approx(spread, abs=0.02)


def test_confidences_of_different_bins_do_not_cancel_out() -> None:
    predicted = np.ones(4, dtype=np.int64)
    targets, confidence = np.array([1, 1, 0, 0]), np.array([0.6, 0.6, 1.0, 1.0])
    bins = reliability(targets, predicted, sure(confidence, predicted))
    assert bins == [ReliabilityBin(2, 0.6, 1.0), ReliabilityBin(2, 1.0, 0.0)]
    error = calibration_error(targets, predicted, sure(confidence, predicted))
    assert error.value == pytest.approx((0.4 + 1.0) / 2)


def test_perfect_probabilities_are_off_by_about_as_much_as_by_chance() -> None:
    rng = np.random.default_rng(1)
    predicted = np.ones(2000, dtype=np.int64)
    confidence = rng.uniform(0.5, 1, 2000)
    targets = (rng.random(2000) < confidence).astype(np.int64)
    found = calibration_error(targets, predicted, sure(confidence, predicted))
    assert 0.5 < found.value / found.by_chance < 1.6
    overconfident = calibration_error(targets, predicted, sure(confidence**0.2, predicted))
    assert overconfident.value > 5 * overconfident.by_chance
