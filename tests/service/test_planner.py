from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.planner import plan

lengths_of_texts = st.lists(st.integers(1, 500), max_size=200)
budgets = st.integers(1, 4000)
sizes = st.integers(1, 64)


def test_plan_of_nothing_is_nothing() -> None:
    assert plan([], 100, 10) == []


@given(lengths=lengths_of_texts, tokens=budgets, size=sizes)
def test_every_text_runs_exactly_once(lengths: list[int], tokens: int, size: int) -> None:
    planned = sorted(index for batch in plan(lengths, tokens, size) for index in batch)
    assert planned == list(range(len(lengths)))


@given(lengths=lengths_of_texts, tokens=budgets, size=sizes)
def test_a_batch_keeps_to_the_limits_unless_one_text_alone_passes_them(
    lengths: list[int], tokens: int, size: int
) -> None:
    for batch in plan(lengths, tokens, size):
        padded = len(batch) * max(lengths[index] for index in batch)
        assert len(batch) == 1 or (padded <= tokens and len(batch) <= size)


@given(lengths=lengths_of_texts, tokens=budgets, size=sizes)
def test_texts_of_similar_length_run_together(lengths: list[int], tokens: int, size: int) -> None:
    flat = [lengths[index] for batch in plan(lengths, tokens, size) for index in batch]
    assert flat == sorted(lengths)
