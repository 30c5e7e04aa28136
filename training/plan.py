"""Which texts are read in which step: the same in every process, and after every resume."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain
from operator import attrgetter

import numpy as np

from training.batching import Batch, TokenStore, cropped_lengths, exact_length_batches
from training.config import LoopConfig


class Plan:
    """The batches of each pass over the texts, `processes` of them a step.

    `stores` holds the texts as they are read in each pass. `starts[n]` is the first step
    of pass n, and the last entry the number of all steps.
    """

    def __init__(
        self, config: LoopConfig, stores: Sequence[TokenStore], seed: int, processes: int
    ) -> None:
        self._config, self._stores, self._seed = config, stores, seed
        self._processes = processes
        steps = [math.ceil(len(self.batches(n)) / processes) for n in range(len(stores))]
        self.starts = [0, *accumulate(steps)]

    @property
    def total_steps(self) -> int:
        return self.starts[-1]

    @property
    def passes(self) -> int:
        return len(self._stores)

    def store(self, number: int) -> TokenStore:
        """The texts of one pass."""
        return self._stores[number]

    def steps(self, number: int) -> int:
        """How many steps a pass has."""
        return self.starts[number + 1] - self.starts[number]

    def locate(self, step: int) -> tuple[int, int]:
        """The pass that a step lies in, and how many of its steps come before."""
        number = bisect_right(self.starts, step) - 1
        return number, step - self.starts[number]

    def batches(self, number: int) -> list[Batch]:
        """The batches of one pass, in order."""
        config, rng = self._config, np.random.default_rng((self._seed, number))
        lengths = cropped_lengths(self._stores[number].lengths, config.max_tokens)
        batches = exact_length_batches(lengths, config.batch_tokens, config.batch_size, rng)
        return _in_rounds(batches, self._processes, rng) if self._processes > 1 else batches


def _in_rounds(batches: list[Batch], processes: int, rng: np.random.Generator) -> list[Batch]:
    """Batches of like tokens side by side, so that no process waits for another in a step.

    The rounds are shuffled; what fills no round, the least tokens, comes last.
    """
    by_cost = sorted(batches, key=attrgetter("tokens"))
    rest = len(batches) % processes
    rounds = [by_cost[i : i + processes] for i in range(rest, len(batches), processes)]
    rng.shuffle(rounds)
    return [*chain.from_iterable(rounds), *by_cost[:rest]]
