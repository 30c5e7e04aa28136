from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training.batching import (
    Batch,
    Int,
    TokenStore,
    collate,
    cropped_lengths,
    exact_length_batches,
)

LENGTHS = arrays.arrays(np.int64, st.integers(0, 80), elements=st.integers(0, 1500))
SHORT_LENGTHS = st.lists(st.integers(0, 60), max_size=40)
SEEDS = st.none() | st.integers(0, 2**32)


def rng_of(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)


def store_of(lengths: list[int]) -> TokenStore:
    """Text i is i * 100, i * 100 + 1, …: each token says where it stands."""
    return TokenStore.of([range(100 * i, 100 * i + n) for i, n in enumerate(lengths)])


@given(LENGTHS, st.integers(1, 5000), st.integers(1, 40), SEEDS)
def test_every_readable_row_is_in_one_batch(
    lengths: Int, batch_tokens: int, batch_size: int, seed: int | None
) -> None:
    batches = exact_length_batches(lengths, batch_tokens, batch_size, rng_of(seed))
    rows = [row for batch in batches for row in batch.rows.tolist()]
    assert sorted(rows) == np.flatnonzero(lengths).tolist()


@given(LENGTHS, st.integers(1, 5000), st.integers(1, 40), SEEDS)
def test_a_batch_has_one_length_and_keeps_both_budgets(
    lengths: Int, batch_tokens: int, batch_size: int, seed: int | None
) -> None:
    for batch in exact_length_batches(lengths, batch_tokens, batch_size, rng_of(seed)):
        assert (lengths[batch.rows] == batch.length).all()
        assert 1 <= len(batch.rows) <= batch_size
        assert batch.tokens <= batch_tokens or len(batch.rows) == 1


@given(LENGTHS, st.integers(1, 1000))
def test_the_read_length_is_within_the_text_and_the_limit(lengths: Int, max_tokens: int) -> None:
    read = cropped_lengths(lengths, max_tokens)
    assert (read <= np.minimum(lengths, max_tokens)).all()
    assert ((read > 0) == (lengths > 0)).all()


def test_short_texts_keep_their_length_and_longer_ones_lose_little() -> None:
    lengths = np.array([1, 31, 32, 33, 47, 256, 257, 1000])
    assert cropped_lengths(lengths, 2000).tolist() == [1, 31, 32, 32, 40, 256, 256, 992]


@given(SHORT_LENGTHS, st.integers(1, 50), SEEDS)
def test_windows_stay_inside_their_text(
    lengths: list[int], max_tokens: int, seed: int | None
) -> None:
    store, rng = store_of(lengths), rng_of(seed)
    for batch in exact_length_batches(cropped_lengths(store.lengths, max_tokens), 200, 8, rng):
        ids = collate(store, batch, rng)
        assert ids.shape == (len(batch.rows), batch.length)
        for row, window in zip(batch.rows.tolist(), ids.tolist(), strict=True):
            first = window[0]
            assert window == list(range(first, first + batch.length))
            assert 100 * row <= first
            assert window[-1] < 100 * row + lengths[row]


def test_without_chance_a_text_shows_its_start() -> None:
    ids = collate(store_of([5, 9]), Batch(np.array([1, 0]), 4))
    assert ids.tolist() == [[100, 101, 102, 103], [0, 1, 2, 3]]


def test_every_window_of_a_long_text_can_be_drawn() -> None:
    store, rng = store_of([6]), np.random.default_rng(0)
    starts = {collate(store, Batch(np.array([0]), 4), rng)[0, 0] for _ in range(100)}
    assert starts == {0, 1, 2}


def test_passes_differ_and_a_pass_repeats_with_its_seed() -> None:
    lengths = np.full(64, 7)

    def order(seed: int) -> list[list[int]]:
        return [b.rows.tolist() for b in exact_length_batches(lengths, 56, 8, rng_of(seed))]

    assert order(1) == order(1)
    assert order(1) != order(2)


@given(SHORT_LENGTHS)
def test_a_store_gives_back_its_texts(lengths: list[int]) -> None:
    store = store_of(lengths)
    assert len(store) == len(lengths)
    assert store.lengths.tolist() == lengths
    assert [store[i].tolist() for i in range(len(store))] == [
        list(range(100 * i, 100 * i + n)) for i, n in enumerate(lengths)
    ]
