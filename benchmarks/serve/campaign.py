"""The order of things: screen the variants, then let the best of each peer take turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serve import asking
from benchmarks.serve.asking import Expected
from benchmarks.serve.environments import python_of
from benchmarks.serve.errors import NothingAnswered, VariantFailed
from benchmarks.serve.load import Load, put_load
from benchmarks.serve.logs import note
from benchmarks.serve.peers import OURS
from benchmarks.serve.peers.peer import Peer, Variant
from benchmarks.serve.processes import Running, find_free_port, running
from benchmarks.serve.results import Failure, Results, Sample
from benchmarks.serve.scenarios import Scenario

WARM_UP_S = 1
SCREENING = 0
"""The number of the round in which every variant is tried."""

Entry = tuple[Peer, Variant, tuple[Scenario, ...]]


@dataclass(frozen=True)
class Campaign:
    """What is compared, and for how long."""

    bundle: Path
    expected: Expected
    scenarios: tuple[Scenario, ...]
    peers: tuple[Peer, ...]
    seconds: int
    rounds: int
    screen_seconds: int
    work: Path
    """Holds each scenario's bodies, and the servers' logs."""

    def scenarios_of(self, peer: Peer) -> tuple[Scenario, ...]:
        """What a peer is asked."""
        return tuple(s for s in self.scenarios if peer.name == OURS.name or not s.only_ours)

    def bodies(self, scenario: Scenario) -> Path:
        """The file of a scenario's requests."""
        return self.work / f"{scenario.name}.jsonl"


def screen(campaign: Campaign, results: Results) -> list[Entry]:
    """Try every variant of each peer; the best for each scenario go on."""
    entries: list[Entry] = []
    for peer in campaign.peers:
        scenarios = campaign.scenarios_of(peer)
        if len(peer.variants) == 1:
            entries.append((peer, peer.variants[0], scenarios))
            continue
        for variant in peer.variants:
            entry = (peer, variant, scenarios)
            results.screened += _measure(
                campaign, entry, SCREENING, campaign.screen_seconds, results
            )
        entries += _best(campaign, peer, results.screened)
    return entries


def compare(campaign: Campaign, entries: Sequence[Entry], number: int, results: Results) -> None:
    """One round: every entry in turn, the other way about in every other round."""
    for entry in entries if number % 2 else reversed(entries):
        results.compared += _measure(campaign, entry, number, campaign.seconds, results)


def _best(campaign: Campaign, peer: Peer, screened: Sequence[Sample]) -> Iterator[Entry]:
    """The variants that are best at something, each with what it is best at."""
    best_at: dict[str, list[Scenario]] = {}
    for scenario in campaign.scenarios:
        found = [s for s in screened if (s.peer, s.scenario) == (peer.name, scenario.name)]
        if found:
            best = min(found, key=_p50_ms) if scenario.by_latency else max(found, key=_rate)
            best_at.setdefault(best.variant, []).append(scenario)
    for variant in peer.variants:
        if scenarios := best_at.get(variant.label):
            yield peer, variant, tuple(scenarios)


def _rate(sample: Sample) -> float:
    return sample.requests_per_s


def _p50_ms(sample: Sample) -> float:
    return sample.p50_ms


def _measure(
    campaign: Campaign, entry: Entry, number: int, seconds: int, results: Results
) -> Iterator[Sample]:
    """Start a variant, check its answers, and put each load on it."""
    peer, variant, scenarios = entry
    port = find_free_port()
    options = variant.options(campaign.bundle, port)
    command = peer.command(python_of(peer.environment), options)
    variables = {**options.to_environment(), **peer.variables(options)}
    log = campaign.work / f"{peer.name}.log"
    try:
        with running(command, variables, port, log) as server:
            _check(campaign, peer, port)
            for scenario in scenarios:
                yield from _load(campaign, entry, scenario, server, number, seconds, results)
    except VariantFailed as failure:
        _fail(results, Failure("", peer.name, variant.label, str(failure)))


def _check(campaign: Campaign, peer: Peer, port: int) -> None:
    if peer.answers:
        asking.check_answers(port, campaign.expected)
    else:
        asking.check_shape(port, texts=3)


def _load(
    campaign: Campaign,
    entry: Entry,
    scenario: Scenario,
    server: Running,
    number: int,
    seconds: int,
    results: Results,
) -> Iterator[Sample]:
    peer, variant, _ = entry
    try:
        with suppress(NothingAnswered):
            _put(campaign, scenario, server.port, WARM_UP_S)
        asking.settle(server.port)
        load = _put(campaign, scenario, server.port, seconds)
        asking.settle(server.port)
    except VariantFailed as failure:
        _fail(results, Failure(scenario.name, peer.name, variant.label, str(failure)))
        return
    note(
        f"round {number}  {scenario.name:7} {peer.name:9} {load.requests_per_s:9.1f}/s "
        f"p50 {load.p50_ms:8.2f} ms  p99 {load.p99_ms:8.2f} ms  {variant.label}"
    )
    yield Sample(
        scenario=scenario.name,
        peer=peer.name,
        variant=variant.label,
        round=number,
        requests_per_s=load.requests_per_s,
        texts_per_s=load.requests_per_s * scenario.texts,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        ready_s=server.ready_s,
        memory_mb=server.weigh().all_mb,
    )


def _put(campaign: Campaign, scenario: Scenario, port: int, seconds: int) -> Load:
    """The scenario's load, and for a little longer what it has beside it."""
    with ThreadPoolExecutor(1) as pool:
        beside: Future[Load] | None = None
        if other := scenario.beside:
            bodies = campaign.bodies(other)
            beside = pool.submit(put_load, port, bodies, other.connections, seconds + 1)
        bodies = campaign.bodies(scenario)
        load = put_load(port, bodies, scenario.connections, seconds, scenario.pause_ms)
        if beside:
            beside.result()  # raises when it was not answered
    return load


def _fail(results: Results, failure: Failure) -> None:
    note(f"FAILED  {failure.scenario} {failure.peer}, {failure.variant}: {failure.reason}")
    results.failures.append(failure)
