from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.explanation import explain_value, leave_out, lengths_left
from service.sentences import Span
from service.words import Word


def make_words(sizes: list[int]) -> list[Word]:
    """Words of so many tokens each; where they stand in a text is of no matter here."""
    stops = np.cumsum(sizes).tolist()
    return [
        Word(Span(index, index + 1), range(stop - size, stop))
        for index, (size, stop) in enumerate(zip(sizes, stops, strict=True))
    ]


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=12))
def test_each_variant_lacks_one_word_and_nothing_else(sizes: list[int]) -> None:
    words = make_words(sizes)
    ids = list(range(100, 100 + sum(sizes)))
    variants = leave_out(ids, words)
    for word, variant in zip(words, variants, strict=True):
        assert set(ids) - set(variant) == {ids[token] for token in word.tokens}
        assert variant == sorted(variant)
    assert lengths_left(len(ids), words) == [len(variant) for variant in variants]


def test_nothing_is_run_without_the_only_word() -> None:
    words = make_words([3])
    assert leave_out([7, 8, 9], words) == []
    assert lengths_left(3, words) == []
    explanation = explain_value(0.6, [], words)
    assert [word.effect for word in explanation.words] == [0.6]
    assert explanation.remainder == 0


def test_effects_are_signed() -> None:
    explanation = explain_value(0.5, [-0.25, 0.75], make_words([1, 1]))
    assert [word.effect for word in explanation.words] == [0.75, -0.25]


@given(
    value=st.floats(-1, 1),
    without=st.lists(st.floats(-1, 1), min_size=2, max_size=50),
)
def test_effects_and_remainder_add_up_to_the_value(value: float, without: list[float]) -> None:
    explanation = explain_value(value, without, make_words([1] * len(without)))
    total = sum(word.effect for word in explanation.words) + explanation.remainder
    assert total == pytest.approx(value, abs=1e-9)
