"""Which texts run together: a pure function of their lengths and of what a run costs."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

DEAREST = 0.1  # of a batch's time, for cutting it into parts


@dataclass(frozen=True)
class CostModel:
    """Seconds of one engine run: `fixed_s + longest * (step_s + token_s * size)`.

    A recurrent net takes one step after the other, so the longest text sets the number of
    steps; a step costs something by itself, and something more for every text.
    """

    fixed_s: float
    step_s: float
    token_s: float

    def run_s(self, size: int, longest: int) -> float:
        """Seconds that `size` texts take, padded to `longest` tokens."""
        return self.fixed_s + longest * (self.step_s + self.token_s * size)


@dataclass(frozen=True)
class BatchBudget:
    """What one run may hold; a text that alone is over `tokens` runs by itself."""

    tokens: int
    """Longest text times texts."""
    texts: int


def plan(lengths: Sequence[int], cost: CostModel, budget: BatchBudget) -> list[list[int]]:
    """The cheapest way to cut texts, sorted by length, into batches within the budget.

    Returns the indices of each batch, shortest texts first; every index appears once.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    starts = _cheapest_starts([lengths[index] for index in order], cost, budget)
    batches: list[list[int]] = []
    end = len(order)
    while end:
        batches.append(order[starts[end] : end])
        end = starts[end]
    batches.reverse()
    return batches


def count_parts(size: int, longest: int, cost: CostModel, limit_s: float) -> int:
    """In how many parts a batch takes no longer than `limit_s` for each.

    1 where it is short enough as it is, where no part would be, and where the parts together
    would take over a tenth longer than the whole.
    """
    whole_s, empty_s = cost.run_s(size, longest), cost.run_s(0, longest)
    if whole_s <= limit_s:
        return 1
    most = int((limit_s - empty_s) / (longest * cost.token_s))
    if most < 1:
        return 1
    parts = math.ceil(size / most)
    return parts if (parts - 1) * empty_s <= DEAREST * whole_s else 1


def _cheapest_starts(lengths: list[int], cost: CostModel, budget: BatchBudget) -> list[int]:
    """For each end, where the last batch of the cheapest plan of `lengths[:end]` starts.

    Dynamic programming over the cuts of ascending lengths. The costs satisfy the quadrangle
    inequality: once a later start is the better one, for this end or because the earlier
    one no longer fits the budget, it stays so for every later end. Starts therefore queue
    up with the end from which each takes over, found by bisection: O(n log n) in all
    (Galil & Park 1992, "Dynamic programming with convexity, concavity and sparsity").
    """
    count = len(lengths)
    lows = _lowest_starts(lengths, budget)
    fixed_s, step_s, token_s = cost.fixed_s, cost.step_s, cost.token_s
    totals, starts = [0.0] * (count + 1), [0] * (count + 1)
    queue, takes_over, head = [0], [1], 0
    for end in range(1, count + 1):
        while head + 1 < len(queue) and takes_over[head + 1] <= end:
            head += 1
        start, longest = queue[head], lengths[end - 1]
        starts[end] = start
        # CostModel.run_s, whose call would take as long as the rest of the step.
        totals[end] = totals[start] + (fixed_s + longest * (step_s + token_s * (end - start)))
        if end == count:
            break
        if longest == lengths[end] and lows[end + 1] <= start:
            continue  # to cut between equal lengths never pays while they fit together
        while True:
            last = queue[-1]
            cheaper_from = (totals[end] - totals[last]) / (token_s * (end - last))
            takes = bisect_left(lengths, cheaper_from, end) + 1
            takes = min(takes, bisect_right(lows, last, end + 1))
            if len(queue) == head + 1 or takes > takes_over[-1]:
                break
            queue.pop()
            takes_over.pop()
        queue.append(end)
        takes_over.append(takes)
    return starts


def _lowest_starts(lengths: list[int], budget: BatchBudget) -> list[int]:
    """For each end, the earliest start of a batch within the budget; never decreases."""
    lows = [0] * (len(lengths) + 1)
    for end, longest in enumerate(lengths, 1):
        if end > budget.texts or end * longest > budget.tokens:
            lows[end] = end - max(1, min(budget.texts, budget.tokens // longest))
    return lows
