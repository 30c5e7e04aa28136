from __future__ import annotations

import numpy as np
import pytest

from training.breakdown import Mistake, break_down, by_domain, by_length, mistakes
from training.evaluate import Answered, Answers
from training.rows import Rows

POLAR = ("negative", "positive")


def answered(positive: list[float], labels: list[str], domains: tuple[str, ...] = ()) -> Answered:
    """Texts `0`, `1`, … that were found positive with these probabilities."""
    texts = tuple(str(index) for index in range(len(positive)))
    given = np.array([[1 - p, p] for p in positive])
    return Answered(POLAR, Rows(texts, tuple(labels), domains), Answers.of(given), 1.0)


def test_a_domain_has_the_accuracy_of_its_rows() -> None:
    found = by_domain(
        answered([0.9, 0.9, 0.1], ["positive", "negative", "negative"], ("b", "b", "a"))
    )
    assert [(s.name, s.rows, s.accuracy.value) for s in found] == [("a", 1, 1.0), ("b", 2, 0.5)]
    assert by_domain(answered([0.9], ["positive"])) == []


def test_lengths_are_put_in_classes_without_gap_or_overlap() -> None:
    tokens = [0, 16, 17, 64, 65, 1024, 1025, 9000]
    found = by_length(answered([0.9] * 8, ["positive"] * 7 + ["negative"]), tokens)
    assert [(s.name, s.rows) for s in found] == [
        ("0-16 tokens", 2),
        ("17-64 tokens", 2),
        ("65-256 tokens", 1),
        ("257-1024 tokens", 1),
        ("from 1025 tokens", 2),
    ]
    assert [s.accuracy.value for s in found] == [1, 1, 1, 1, 0.5]


def test_mistakes_come_surest_first_with_what_was_said() -> None:
    found = mistakes(
        answered([0.6, 0.99, 0.2, 0.9], ["negative", "negative", "positive", "positive"])
    )
    assert [one.text for one in found] == ["1", "2", "0"]
    assert found[0] == Mistake(
        "1", "negative", "positive", pytest.approx(0.99), pytest.approx(0.01)
    )


def test_answers_without_probabilities_count_as_sure() -> None:
    plain = Answered(POLAR, Rows(("a",), ("negative",)), Answers(np.array([1])), 1.0)
    assert mistakes(plain) == [Mistake("a", "negative", "positive", 1.0, 0.0)]


def test_a_breakdown_holds_every_view() -> None:
    found = break_down(answered([0.9, 0.8], ["positive", "negative"], ("a", "a")), [3, 3])
    assert [len(found.by_length), len(found.by_domain), len(found.mistakes)] == [1, 1, 1]
