from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from training.config import DirectionName
from training.pooling import Pool, mask_of

KINDS = ("last", "mean", "max", "attention")
BOTH: tuple[DirectionName, ...] = ("forward", "backward")
LENGTHS = [5, 1, 7, 3]
SIZE = 6


def pool_of(*kinds: str, directions: Sequence[DirectionName] = BOTH) -> Pool:
    torch.manual_seed(0)
    return Pool(kinds, SIZE, directions)


def states_of(max_len: int = 7, padding: float = 0.0) -> torch.Tensor:
    """States of four texts, all negative, so that zeros would win a maximum."""
    rng = np.random.default_rng(0)
    states = np.full((len(LENGTHS), max_len, SIZE), padding, dtype=np.float32)
    for row, length in zip(states, LENGTHS, strict=True):
        row[:length] = -rng.random((length, SIZE)) - 0.1
    return torch.from_numpy(states)


def by_loop(kind: str, states: np.ndarray, pool: Pool) -> np.ndarray:  # type: ignore[type-arg]
    """One text (T, D * H), step by step."""
    if kind == "last":
        if len(pool.directions) == 1:
            return states[-1 if pool.directions == ("forward",) else 0]
        return np.concatenate([states[-1, : SIZE // 2], states[0, SIZE // 2 :]])
    if kind == "max":
        best = states[0].copy()
        for state in states[1:]:
            best = np.where(state > best, state, best)
        return best
    weights = [1.0] * len(states)
    if kind == "attention":
        assert pool.attention is not None
        scorer = pool.attention.weight.detach().numpy()[0]
        bias = pool.attention.bias.item()
        weights = [float(np.exp(np.dot(scorer, state) + bias)) for state in states]
    total = np.zeros(SIZE)
    for weight, state in zip(weights, states, strict=True):
        total += weight * state
    return total / sum(weights)


@pytest.mark.parametrize("directions", [("forward",), ("backward",), BOTH])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_what_a_plain_loop_gives(
    kind: str, directions: Sequence[DirectionName]
) -> None:
    pool, states = pool_of(kind, directions=directions), states_of()
    pooled = pool(states, torch.tensor(LENGTHS)).detach().numpy()
    for row, text, length in zip(pooled, states.numpy(), LENGTHS, strict=True):
        np.testing.assert_allclose(row, by_loop(kind, text[:length], pool), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: str) -> None:
    pool, lengths = pool_of(kind), torch.tensor(LENGTHS)
    torch.testing.assert_close(
        pool(states_of(max_len=50), lengths), pool(states_of(), lengths), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("kind", ["last", "max"])
def test_what_lies_in_the_padding_is_not_read(kind: str) -> None:
    pool, lengths = pool_of(kind), torch.tensor(LENGTHS)
    assert torch.equal(pool(states_of(padding=9.0), lengths), pool(states_of(), lengths))


@pytest.mark.parametrize("kind", KINDS)
def test_without_lengths_every_text_is_read_whole(kind: str) -> None:
    pool, states = pool_of(kind), states_of()[2:3]
    torch.testing.assert_close(pool(states), pool(states, torch.tensor([7])), atol=1e-6, rtol=0)


def test_several_kinds_lie_side_by_side_in_their_order() -> None:
    pool, states, lengths = pool_of(*KINDS), states_of(), torch.tensor(LENGTHS)
    parts = pool(states, lengths).split(SIZE, dim=-1)
    assert pool.output_size == SIZE * len(KINDS)
    for kind, part in zip(KINDS, parts, strict=True):
        torch.testing.assert_close(part, pool_of(kind)(states, lengths))


def test_a_mask_is_true_within_each_text() -> None:
    assert mask_of(torch.tensor([2, 0, 3]), 3).tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, True],
    ]
