"""The runs of a comparison, put together by variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from training.comparison import Result
from training.distance import Place, Reach

Measure = Callable[[Reach], float]


def accuracy_of(reach: Reach) -> float:
    return reach.accuracy.value


def auc_of(reach: Reach) -> float:
    return reach.auc


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    mean: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Summary:
    """The runs of one variant."""

    variant: str
    results: tuple[Result, ...]

    def spread(self, figure: Callable[[Result], float]) -> Spread:
        values = [figure(result) for result in self.results]
        return Spread(fmean(values), min(values), max(values))

    def reach(self, place: Place, filler_tokens: int, measure: Measure = accuracy_of) -> float:
        """A measure with the deciding sentence there: mean over seeds and languages."""
        return fmean(
            measure(reach)
            for result in self.results
            for reach in result.reach
            if (reach.place, reach.filler_tokens) == (place, filler_tokens)
        )


def summarise(results: Sequence[Result]) -> list[Summary]:
    """The runs of each variant, in the order in which the variants first came."""
    names = dict.fromkeys(result.variant for result in results)
    return [Summary(name, tuple(r for r in results if r.variant == name)) for name in names]


def filler_lengths(results: Sequence[Result]) -> list[int]:
    """Lengths at which reach was measured; none where it was not."""
    return sorted({reach.filler_tokens for result in results for reach in result.reach})
