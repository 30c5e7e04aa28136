"""The command line: python -m benchmarks.serve VERB."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, NoReturn

import typer

from benchmarks.serve import campaign as stages
from benchmarks.serve.asking import expect
from benchmarks.serve.campaign import Campaign
from benchmarks.serve.environments import CHECKOUT, PLOTTING, SERVICE, python_of
from benchmarks.serve.errors import BenchmarkError
from benchmarks.serve.load import find_wrk
from benchmarks.serve.logs import note
from benchmarks.serve.machine import describe_run
from benchmarks.serve.peers import OURS, PEERS
from benchmarks.serve.peers.peer import Peer
from benchmarks.serve.processes import find_free_port, running
from benchmarks.serve.reference import measure_bare, measure_cost
from benchmarks.serve.report import write_report
from benchmarks.serve.results import Results
from benchmarks.serve.scenarios import SCENARIOS, Scenario, make_bodies, write_bodies
from benchmarks.serve.soak import LOADS, write_soak
from benchmarks.serve.soak import soak as measure_soak
from service.bundle import TOKENIZER_FILE, read_bundle
from service.errors import SentimentError
from service.tokenizer import Tokenizer

ALL_PEERS, ALL_SCENARIOS = ",".join(PEERS), ",".join(SCENARIOS)
DEFAULT_BUNDLE = CHECKOUT / "models" / "default"
RESULTS = CHECKOUT / "benchmarks" / "results"

app = typer.Typer(
    name="python -m benchmarks.serve",
    help="Compare the serving core with its peers on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Bundle = Annotated[Path, typer.Option("--bundle", help="Folder of the bundle that all serve.")]
Scenarios = Annotated[str, typer.Option("--scenarios", help="Some of them, with commas.")]
Peers = Annotated[str, typer.Option("--peers", help="Some of them, with commas; ours always is.")]
Seconds = Annotated[int, typer.Option("--seconds", min=1, help="Of load in a round.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="In which all take turns.")]
ScreenSeconds = Annotated[
    int, typer.Option("--screen-seconds", min=1, help="Of load to find a peer's best variant.")
]
Variants = Annotated[
    int | None,
    typer.Option("--variants", min=1, help="Only the first so many of each peer."),
]
Connections = Annotated[
    int | None,
    typer.Option("--connections", min=1, help="In place of the 64 of short and mixed."),
]
Cost = Annotated[bool, typer.Option("--cost/--no-cost", help="Cost per token by DistilBERT's.")]
Output = Annotated[Path, typer.Option("--output", help="Folder of the table, JSON and figure.")]


@app.command()
def run(
    bundle: Bundle = DEFAULT_BUNDLE,
    scenarios: Scenarios = ALL_SCENARIOS,
    peers: Peers = ALL_PEERS,
    seconds: Seconds = 5,
    rounds: Rounds = 3,
    screen_seconds: ScreenSeconds = 2,
    variants: Variants = None,
    connections: Connections = None,
    cost: Cost = True,
    output: Output = RESULTS,
) -> None:
    """Find each peer's best variant, let them take turns, and write the report."""
    find_wrk()
    bundle = bundle.resolve()
    with TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as work:
        campaign = Campaign(
            bundle=bundle,
            expected=expect(bundle),
            scenarios=_choose_scenarios(scenarios, connections),
            peers=_choose_peers(peers, variants),
            seconds=seconds,
            rounds=rounds,
            screen_seconds=screen_seconds,
            work=Path(work),
        )
        results = Results(describe_run(bundle, seconds, rounds))
        _prepare(campaign)
        _measure(campaign, results, cost)
    _report(results, output)


@app.command()
def soak(
    bundle: Bundle = DEFAULT_BUNDLE,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Of load in all.")] = 60,
    seconds: Seconds = 10,
    output: Output = RESULTS,
) -> None:
    """Load the service for long and write what memory it takes."""
    find_wrk()
    bundle = bundle.resolve()
    python, tokenizer = python_of(SERVICE), Tokenizer(read_bundle(bundle).tokenizer)
    options = OURS.variants[0].options(bundle, find_free_port())
    variables = {**options.to_environment(), **OURS.variables(options)}
    with TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as work:
        for name in LOADS:
            write_bodies(Path(work, f"{name}.jsonl"), make_bodies(SCENARIOS[name], tokenizer))
        command = OURS.command(python, options)
        with running(command, variables, options.port, Path(work, "ours.log")) as server:
            moments = list(measure_soak(server, Path(work), minutes, seconds))
    typer.echo(write_soak(moments, server.ready_s, describe_run(bundle, seconds, 1), output))


@app.command()
def setup(peers: Peers = ALL_PEERS) -> None:
    """Make the peers' environments, which `run` would do too."""
    for name in dict.fromkeys([SERVICE, PLOTTING, *(p.environment for p in _choose_peers(peers))]):
        note(f"environment {name}")
        python_of(name)


@app.command()
def bundle(
    target: Annotated[Path, typer.Argument(help="Folder to write.", metavar="DIR")],
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="[default: the default bundle's]")
    ] = None,
) -> None:
    """Write a BiLSTM of 128 units over 24,000 pieces with random weights."""
    from benchmarks.serve.bundles import make_bundle  # torch: only for this

    path = tokenizer or DEFAULT_BUNDLE / TOKENIZER_FILE
    if tokenizer is None and not path.exists():
        note("there is no default bundle: a tokenizer of the benchmark's own words")
        make_bundle(target, None)
    else:
        make_bundle(target, path.read_bytes())


def main() -> None:
    """Entry point: errors that the user can mend are one line."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        app()
    except (BenchmarkError, SentimentError) as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # by the way of every `finally`, which ends the servers


def _choose_scenarios(names: str, connections: int | None) -> tuple[Scenario, ...]:
    chosen = [SCENARIOS[name] for name in _split(names, SCENARIOS)]
    if connections is None:
        return tuple(chosen)
    return tuple(
        replace(s, connections=connections) if s.texts == 1 and not s.by_latency else s
        for s in chosen
    )


def _choose_peers(names: str, variants: int | None = None) -> tuple[Peer, ...]:
    chosen = [PEERS[name] for name in dict.fromkeys([OURS.name, *_split(names, PEERS)])]
    return tuple(replace(peer, variants=peer.variants[:variants]) for peer in chosen)


def _split(names: str, known: dict[str, Peer] | dict[str, Scenario]) -> list[str]:
    found = [name.strip() for name in names.split(",") if name.strip()]
    for name in found:
        if name not in known:
            raise BenchmarkError(f"{name!r} is none of {', '.join(known)}")
    return found


def _prepare(campaign: Campaign) -> None:
    """Every environment, and each scenario's texts."""
    for name in dict.fromkeys([SERVICE, PLOTTING, *(peer.environment for peer in campaign.peers)]):
        python_of(name)
    tokenizer = Tokenizer(read_bundle(campaign.bundle).tokenizer)
    besides = [scenario.beside for scenario in campaign.scenarios if scenario.beside]
    for scenario in dict.fromkeys([*campaign.scenarios, *besides]):
        write_bodies(campaign.bodies(scenario), make_bodies(scenario, tokenizer))


def _measure(campaign: Campaign, results: Results, cost: bool) -> None:
    entries = stages.screen(campaign, results)
    for number in range(1, campaign.rounds + 1):
        stages.compare(campaign, entries, number, results)
        measure_bare(campaign, number, results)
    if cost:
        measure_cost(campaign, results)


def _report(results: Results, output: Path) -> None:
    table = write_report(results, output)
    command = [str(python_of(PLOTTING)), "-m", "benchmarks.serve.plot", str(table)]
    subprocess.run([*command, str(table.with_suffix(".png"))], cwd=CHECKOUT, check=True)
    typer.echo(table.with_suffix(".md").read_text(encoding="utf-8"))
