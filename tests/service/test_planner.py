from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.planner import DEAREST, BatchBudget, CostModel, count_parts, plan

lengths_of_texts = st.lists(st.integers(1, 500), max_size=60)
costs = st.builds(
    CostModel,
    fixed_s=st.floats(1e-9, 1e-1),
    step_s=st.floats(1e-9, 1e-3),
    token_s=st.floats(1e-9, 1e-3),
)
budgets = st.builds(BatchBudget, tokens=st.integers(1, 4000), texts=st.integers(1, 64))

COST = CostModel(fixed_s=1e-4, step_s=3e-6, token_s=4e-6)
ROOMY = BatchBudget(tokens=16384, texts=64)


def price(lengths: list[int], batches: list[list[int]], cost: CostModel) -> float:
    return sum(cost.run_s(len(b), max(lengths[index] for index in b)) for b in batches)


def fits(lengths: list[int], budget: BatchBudget) -> bool:
    padded = len(lengths) * max(lengths)
    return len(lengths) == 1 or (padded <= budget.tokens and len(lengths) <= budget.texts)


def cheapest(lengths: list[int], cost: CostModel, budget: BatchBudget) -> float:
    """The least price of any cut of the sorted lengths, by trying every one."""
    ordered = sorted(lengths)
    best = [0.0]
    for end in range(1, len(ordered) + 1):
        best.append(
            min(
                best[start] + cost.run_s(end - start, ordered[end - 1])
                for start in range(end)
                if fits(ordered[start:end], budget)
            )
        )
    return best[-1]


def first_come(lengths: list[int], cost: CostModel, budget: BatchBudget) -> float:
    """The price of taking texts as they came, as many as fit."""
    total, batch = 0.0, [lengths[0]]
    for length in lengths[1:]:
        if fits([*batch, length], budget):
            batch.append(length)
        else:
            total += cost.run_s(len(batch), max(batch))
            batch = [length]
    return total + cost.run_s(len(batch), max(batch))


def test_plan_of_nothing_is_nothing() -> None:
    assert plan([], COST, ROOMY) == []


@given(lengths=lengths_of_texts, cost=costs, budget=budgets)
def test_every_text_runs_exactly_once(
    lengths: list[int], cost: CostModel, budget: BatchBudget
) -> None:
    planned = sorted(index for batch in plan(lengths, cost, budget) for index in batch)
    assert planned == list(range(len(lengths)))


@given(lengths=lengths_of_texts, cost=costs, budget=budgets)
def test_no_batch_is_over_budget_unless_one_text_alone_is(
    lengths: list[int], cost: CostModel, budget: BatchBudget
) -> None:
    batches = plan(lengths, cost, budget)
    assert all(fits([lengths[index] for index in batch], budget) for batch in batches)


@given(lengths=lengths_of_texts, cost=costs, budget=budgets)
def test_no_other_cut_of_the_sorted_texts_is_cheaper(
    lengths: list[int], cost: CostModel, budget: BatchBudget
) -> None:
    planned = price(lengths, plan(lengths, cost, budget), cost)
    assert planned == pytest.approx(cheapest(lengths, cost, budget), rel=1e-9)


@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=60), cost=costs, budget=budgets)
def test_many_texts_of_few_lengths_are_cut_best_too(
    lengths: list[int], cost: CostModel, budget: BatchBudget
) -> None:
    planned = price(lengths, plan(lengths, cost, budget), cost)
    assert planned == pytest.approx(cheapest(lengths, cost, budget), rel=1e-9)


@given(lengths=lengths_of_texts.filter(bool), cost=costs, budget=budgets)
def test_first_come_is_never_cheaper(
    lengths: list[int], cost: CostModel, budget: BatchBudget
) -> None:
    planned = price(lengths, plan(lengths, cost, budget), cost)
    assert planned <= first_come(lengths, cost, budget) * (1 + 1e-9)


def test_a_long_text_does_not_pad_short_ones() -> None:
    lengths = [10, 400, 12, 11]
    assert plan(lengths, COST, ROOMY) == [[0, 3, 2], [1]]


@given(
    size=st.integers(1, 300),
    longest=st.integers(1, 1000),
    cost=costs,
    limit_s=st.floats(0, 1),
)
def test_parts_are_short_and_cost_little(
    size: int, longest: int, cost: CostModel, limit_s: float
) -> None:
    parts = count_parts(size, longest, cost, limit_s)
    assert 1 <= parts <= size
    if parts > 1:
        whole_s, part_s = cost.run_s(size, longest), cost.run_s(-(-size // parts), longest)
        assert part_s <= limit_s * (1 + 1e-9) < whole_s
        assert (parts - 1) * cost.run_s(0, longest) <= DEAREST * whole_s


def test_a_batch_over_the_limit_is_cut_into_as_few_parts_as_will_do() -> None:
    assert count_parts(64, 33, COST, limit_s=0.004) == 3
    assert count_parts(8, 33, COST, limit_s=0.004) == 1
    assert count_parts(2, 1000, COST, limit_s=0.004) == 1
