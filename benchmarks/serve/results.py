"""What was measured, and how it is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Sample:
    """One measurement of one variant of a peer under one scenario."""

    scenario: str
    peer: str
    variant: str
    round: int
    requests_per_s: float
    texts_per_s: float
    p50_ms: float
    p99_ms: float
    ready_s: float
    memory_mb: float


@dataclass(frozen=True)
class Failure:
    """A variant that did not start, answered wrongly, or not always with 200."""

    scenario: str
    """Empty when it failed before any load."""
    peer: str
    variant: str
    reason: str


@dataclass(frozen=True)
class BareSample:
    """What the engine alone did in a round."""

    scenario: str
    mode: str
    round: int
    value: float
    """Texts a second, or milliseconds for mode `alone`."""


@dataclass(frozen=True)
class CostSample:
    """Tokens a second of a graph in a round; round 0 tried every shape."""

    graph: str
    round: int
    texts: int
    tokens: int
    runs: int
    threads: int
    tokens_per_s: float


@dataclass
class Results:
    """All of a run."""

    about: dict[str, object]
    screened: list[Sample] = field(default_factory=list)
    compared: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    bare: list[BareSample] = field(default_factory=list)
    cost: list[CostSample] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """Median over rounds, with the least and the greatest."""

    median: float
    least: float
    greatest: float


def spread(values: Iterable[float]) -> Spread | None:
    """None of no values."""
    found = sorted(values)
    return Spread(median(found), found[0], found[-1]) if found else None


def by_round(
    samples: Sequence[Sample], scenario: str, peer: str, value: Callable[[Sample], float]
) -> dict[int, float]:
    """A peer's value in each round of a scenario."""
    return {s.round: value(s) for s in samples if (s.scenario, s.peer) == (scenario, peer)}


def ratios(ours: dict[int, float], theirs: dict[int, float]) -> Spread | None:
    """Ours over theirs within each round, over the rounds that have both."""
    return spread(ours[number] / theirs[number] for number in ours.keys() & theirs.keys())
