from __future__ import annotations

import numpy as np
import pytest

from tests.training.samples import settings
from training.batching import TokenStore
from training.plan import Plan


def store_of(texts: int, seed: int = 0) -> TokenStore:
    lengths = np.random.default_rng(seed).integers(1, 40, texts)
    return TokenStore.of([[2] * int(length) for length in lengths])


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_step_lies_in_one_pass(processes: int) -> None:
    plan = Plan(settings(), [store_of(50), store_of(20), store_of(50)], 0, processes)
    found = [plan.locate(step) for step in range(plan.total_steps)]
    assert found == [(n, step) for n in range(3) for step in range(plan.steps(n))]
    assert plan.steps(1) < plan.steps(0)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_pass_reads_every_text_once_in_an_order_of_its_own(processes: int) -> None:
    stores = [store_of(50), store_of(30), store_of(50)]
    plan = Plan(settings(), stores, 0, processes)
    for number, store in enumerate(stores):
        rows = np.concatenate([batch.rows for batch in plan.batches(number)])
        assert sorted(rows.tolist()) == list(range(len(store)))
    first, last = ([b.rows.tolist() for b in plan.batches(n)] for n in (0, 2))
    assert first != last


def test_processes_get_batches_of_like_cost_in_a_step() -> None:
    plan = Plan(settings(batch_size=4), [store_of(400)], 0, 3)
    tokens = [batch.tokens for batch in plan.batches(0)]
    whole = len(tokens) // 3 * 3
    rounds = np.reshape(tokens[:whole], (-1, 3))
    spread = rounds.max(axis=1) - rounds.min(axis=1)
    assert spread.mean() < np.std(tokens) / 10
    assert rounds[:, 0].tolist() != sorted(rounds[:, 0])
    assert max(tokens[whole:], default=0) <= rounds.min()
