from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.postprocess import probabilities, scored

rows = st.lists(st.tuples(*[st.floats(-50, 50, width=32)] * 3), min_size=1, max_size=20)


@given(rows=rows, temperature=st.floats(0.1, 10))
def test_probabilities_sum_to_one_and_keep_the_order(
    rows: list[tuple[float, ...]], temperature: float
) -> None:
    logits = np.array(rows, dtype=np.float32)
    result = probabilities(logits, temperature)
    assert result.sum(axis=1) == pytest.approx(np.ones(len(rows)))
    best = logits.argmax(axis=1)
    assert (result[np.arange(len(rows)), best] == result.max(axis=1)).all()


@given(rows=rows)
def test_probabilities_of_a_row_do_not_depend_on_the_others(rows: list[tuple[float, ...]]) -> None:
    logits = np.array(rows, dtype=np.float32)
    alone = np.concatenate([probabilities(logits[i : i + 1], 1.5) for i in range(len(rows))])
    assert probabilities(logits, 1.5).tobytes() == alone.tobytes()


def test_huge_logits_do_not_overflow() -> None:
    assert probabilities(np.array([[1e30, -1e30]], dtype=np.float32), 1.0).tolist() == [[1.0, 0.0]]


def test_scored_names_the_winner_and_keeps_label_order() -> None:
    answer = scored([0.2, 0.7, 0.1], ["a", "b", "c"])
    assert (answer.label, answer.score) == ("b", 0.7)
    assert list(answer.scores.items()) == [("a", 0.2), ("b", 0.7), ("c", 0.1)]
