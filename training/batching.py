"""Batches of exactly one length.

A recurrent net over texts of one length needs no packing, no mask and no padding, and
takes the fast path of the library beneath it; packed batches are several times slower
on a CPU (benchmarks/train_loop.py). Short texts keep their length. Longer ones are cut
to the next multiple of 8 or 32 below, so that enough texts share a length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int = npt.NDArray[np.int64]

EXACT_UP_TO = 32
STEP_8_UP_TO = 256


@dataclass(frozen=True)
class TokenStore:
    """Token ids of many texts in one flat array: text i is flat[offsets[i]:offsets[i + 1]]."""

    flat: npt.NDArray[np.uint16]
    offsets: Int

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> TokenStore:
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.fromiter((i for ids in texts for i in ids), dtype=np.uint16, count=offsets[-1])
        return cls(flat, offsets)

    @property
    def lengths(self) -> Int:
        return np.diff(self.offsets)

    def lengths_of(self, rows: Int) -> Int:
        return self.offsets[rows + 1] - self.offsets[rows]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.uint16]:
        return self.flat[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True)
class Batch:
    """Rows of a store that are read at one length, in tokens."""

    rows: Int
    length: int

    @property
    def tokens(self) -> int:
        return len(self.rows) * self.length


def cropped_lengths(lengths: Int, max_tokens: int) -> Int:
    """The length that each text is read at: never longer than the text, never 0 for a text."""
    lengths = np.minimum(lengths, max_tokens)
    step = np.where(lengths <= EXACT_UP_TO, 1, np.where(lengths <= STEP_8_UP_TO, 8, 32))
    return lengths // step * step


def exact_length_batches(
    read_lengths: Int, batch_tokens: int, batch_size: int, rng: np.random.Generator | None = None
) -> list[Batch]:
    """Put texts of the same read length together, at most `batch_tokens` and `batch_size`.

    With `rng`, rows are shuffled within a length and batches among each other. Every row
    of length 1 or more is in exactly one batch.
    """
    order = rng.permutation(len(read_lengths)) if rng else np.arange(len(read_lengths))
    order = order[np.argsort(read_lengths[order], kind="stable")]
    lengths, starts = np.unique(read_lengths[order], return_index=True)
    batches: list[Batch] = []
    groups = np.split(order, starts)[1:]  # before the first start lies nothing
    for length, group in zip(lengths.tolist(), groups, strict=True):
        if length == 0:
            continue
        size = min(batch_size, max(1, batch_tokens // length))
        batches += [Batch(group[i : i + size], length) for i in range(0, len(group), size)]
    if rng:
        batches = [batches[index] for index in rng.permutation(len(batches))]
    return batches


def collate(store: TokenStore, batch: Batch, rng: np.random.Generator | None = None) -> Int:
    """Ids (B, T) of a batch; a longer text shows a random window, or its start without `rng`."""
    slack = store.lengths_of(batch.rows) - batch.length
    begin = rng.integers(0, slack, endpoint=True) if rng else np.zeros_like(slack)
    index = (store.offsets[batch.rows] + begin)[:, None] + np.arange(batch.length)
    ids: Int = store.flat[index].astype(np.int64)
    return ids
