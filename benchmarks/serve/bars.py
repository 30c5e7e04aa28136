"""The bars that the serving core is held to, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.serve.reference import DISTILBERT, OURS
from benchmarks.serve.results import Results, Sample, Spread, by_round, ratios

RATES = (
    ("short", "mosec", 1.0),
    ("short", "litserve", 4.0),
    ("short", "bentoml", 10.0),
    ("short", "ray", 10.0),
    ("short", "nothing", 0.6),
    ("mixed", "mosec", 4.0),
    ("mixed", "litserve", 4.0),
    ("mixed", "bentoml", 4.0),
    ("mixed", "ray", 4.0),
)
"""Scenario, peer, and how many times the peer's requests a second ours must be."""

BULK_SHARE = 0.85
NOTHINGS = 2.0
COST_RATIO = 100.0
BESIDE_RATIO = 2.0


@dataclass(frozen=True)
class Bar:
    """A ratio of ours to something else, and its bound."""

    what: str
    bound: float
    ratio: Spread
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the median of the rounds keeps to the bound."""
        if self.at_most:
            return self.ratio.median <= self.bound
        return self.ratio.median >= self.bound


def judge(results: Results) -> list[Bar]:
    """Every bar that this run has measured."""
    bars = [_judge_rate(results, *rate) for rate in RATES]
    return [
        bar
        for bar in (
            *bars,
            _judge_bulk(results),
            _judge_latency(results),
            _judge_beside(results),
            _judge_cost(results),
        )
        if bar is not None
    ]


def _judge_rate(results: Results, scenario: str, peer: str, bound: float) -> Bar | None:
    ours = by_round(results.compared, scenario, "ours", _requests_per_s)
    ratio = ratios(ours, by_round(results.compared, scenario, peer, _requests_per_s))
    return Bar(f"{scenario}: requests/s over {peer}", bound, ratio) if ratio else None


def _judge_bulk(results: Results) -> Bar | None:
    """Held against the better of the two ways to plan."""
    ours = by_round(results.compared, "bulk", "ours", lambda sample: sample.texts_per_s)
    best: dict[int, float] = {}
    for sample in results.bare:
        if sample.scenario == "bulk":
            best[sample.round] = max(sample.value, best.get(sample.round, 0.0))
    ratio = ratios(ours, best)
    return Bar("bulk: texts/s over the bare engine", BULK_SHARE, ratio) if ratio else None


def _judge_latency(results: Results) -> Bar | None:
    """Twice the median of the endpoint that does nothing, and the model's own time."""
    ours = by_round(results.compared, "single", "ours", _p50_ms)
    nothing = by_round(results.compared, "single", "nothing", _p50_ms)
    alone = {s.round: s.value for s in results.bare if s.mode == "alone"}
    allowed = {n: NOTHINGS * nothing[n] + alone[n] for n in nothing.keys() & alone.keys()}
    what = "single: median latency over (2 × do-nothing + the model's run)"
    ratio = ratios(ours, allowed)
    return Bar(what, 1.0, ratio, at_most=True) if ratio else None


def _judge_beside(results: Results) -> Bar | None:
    beside = by_round(results.compared, "beside", "ours", _p99_ms)
    ratio = ratios(beside, by_round(results.compared, "quiet", "ours", _p99_ms))
    what = "beside: p99 of short texts over the same without long ones"
    return Bar(what, BESIDE_RATIO, ratio, at_most=True) if ratio else None


def _judge_cost(results: Results) -> Bar | None:
    rates = {
        name: {s.round: s.tokens_per_s for s in results.cost if s.graph == name and s.round}
        for name in (OURS, DISTILBERT)
    }
    ratio = ratios(rates[OURS], rates[DISTILBERT])
    return Bar("tokens/s over DistilBERT's", COST_RATIO, ratio) if ratio else None


def _requests_per_s(sample: Sample) -> float:
    return sample.requests_per_s


def _p50_ms(sample: Sample) -> float:
    return sample.p50_ms


def _p99_ms(sample: Sample) -> float:
    return sample.p99_ms
