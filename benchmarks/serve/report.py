"""A run's results as a Markdown page and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.serve.bars import Bar, judge
from benchmarks.serve.peers import PEERS
from benchmarks.serve.reference import DISTILBERT, OURS
from benchmarks.serve.results import Results, Sample, Spread, by_round, ratios, spread
from benchmarks.serve.scenarios import SCENARIOS, Scenario

NAME = "serve"
MODES = {
    "requests": "the bare engine, each request planned by itself",
    "together": "the bare engine, 512 texts planned together",
    "alone": "the bare engine",
}


def write_report(results: Results, folder: Path) -> Path:
    """Write serve.json and serve.md; returns the first, which the figure is drawn from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.md").write_text(describe(results), encoding="utf-8")
    path = folder / f"{NAME}.json"
    titles = {name: peer.title for name, peer in PEERS.items()}
    table = {**asdict(results), "titles": titles, "bars": [asdict(bar) for bar in judge(results)]}
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def describe(results: Results) -> str:
    """The page."""
    parts = [_describe_about(results.about), _describe_bars(judge(results))]
    parts += [_describe_scenario(results, scenario) for scenario in SCENARIOS.values()]
    parts += [_describe_cost(results), _describe_failures(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _describe_about(about: dict[str, object]) -> str:
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in about.items()]
    return "\n".join(["Written by `make bench`.", "", *lines])


def _describe_bars(bars: Sequence[Bar]) -> str:
    rows = [
        (
            bar.what,
            f"{'≤' if bar.at_most else '≥'} {bar.bound:g}",
            _range(bar.ratio),
            "yes" if bar.met else "**no**",
        )
        for bar in bars
    ]
    return _section("Bars", ("ours, as a ratio", "bar", "measured", "met"), rows)


def _describe_scenario(results: Results, scenario: Scenario) -> str:
    found = [s for s in results.compared if s.scenario == scenario.name]
    peers = sorted({s.peer for s in found}, key=lambda peer: -_rate_of(found, peer))
    rows = [_describe_peer(found, peer) for peer in peers]
    rows += _describe_bare(results, scenario.name)
    head = ("", "requests/s", "median ms", "p99 ms", "ours is", "ready s", "MB", "best variant")
    return _section(f"{scenario.name.capitalize()}: {scenario.title}", head, rows)


def _describe_peer(found: Sequence[Sample], peer: str) -> tuple[str, ...]:
    own = [s for s in found if s.peer == peer]
    by_latency = SCENARIOS[own[0].scenario].by_latency

    def value(sample: Sample) -> float:
        return 1 / sample.p50_ms if by_latency else sample.requests_per_s

    scenario = own[0].scenario
    ours = by_round(found, scenario, "ours", value)
    ratio = ratios(ours, by_round(found, scenario, peer, value))
    return (
        PEERS[peer].title,
        f"{_median(s.requests_per_s for s in own):,.0f}",
        f"{_median(s.p50_ms for s in own):,.2f}",
        f"{_median(s.p99_ms for s in own):,.2f}",
        "" if peer == "ours" or ratio is None else f"{_range(ratio)} × as fast",
        f"{_median(s.ready_s for s in own):.1f}",
        f"{_median(s.memory_mb for s in own):,.0f}",
        own[0].variant,
    )


def _describe_bare(results: Results, scenario: str) -> Iterable[tuple[str, ...]]:
    for mode, title in MODES.items():
        values = [s.value for s in results.bare if (s.scenario, s.mode) == (scenario, mode)]
        if values and mode == "alone":
            yield title, "", f"{_median(values):.2f}", "", "", "", "", ""
        elif values:
            requests = _median(values) / SCENARIOS[scenario].texts
            yield title, f"{requests:,.0f}", "", "", "", "", "", ""


def _describe_cost(results: Results) -> str:
    rows = []
    for name in (OURS, DISTILBERT):
        own = [s for s in results.cost if s.graph == name and s.round]
        if own:
            shape = f"{own[0].texts} texts of {own[0].tokens} tokens"
            layout = f"{own[0].runs} runs of {own[0].threads} threads"
            rate = f"{_median(s.tokens_per_s for s in own):,.0f}"
            rows.append((name, rate, shape, layout))
    return _section("Cost per token", ("", "tokens/s", "best batch", "side by side"), rows)


def _describe_failures(results: Results) -> str:
    rows = [(f.peer, f.variant, f.scenario or "start", f.reason) for f in results.failures]
    return _section("Failed", ("peer", "variant", "when", "why"), rows)


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    rule = f"|{'---|' * len(head)}"
    return "\n".join([f"## {title}", "", f"| {' | '.join(head)} |", rule, *lines])


def _rate_of(found: Sequence[Sample], peer: str) -> float:
    return _median(s.requests_per_s for s in found if s.peer == peer)


def _median(values: Iterable[float]) -> float:
    found = spread(values)
    return found.median if found else 0.0


def _range(ratio: Spread) -> str:
    return f"{ratio.median:.2f} ({ratio.least:.2f}–{ratio.greatest:.2f})"
