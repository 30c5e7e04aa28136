"""What servers are held against: the engine without a server, and DistilBERT's cost."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serve.campaign import Campaign
from benchmarks.serve.distilbert import write_distilbert
from benchmarks.serve.environments import CHECKOUT, SERVICE, python_of
from benchmarks.serve.errors import BenchmarkError
from benchmarks.serve.logs import note
from benchmarks.serve.results import BareSample, CostSample, Results
from benchmarks.serve.scenarios import SCENARIOS
from service.bundle import MODEL_FILE
from service.cpus import usable_cpus

SIZES = ((8, 64), (16, 64), (32, 64), (8, 128), (16, 128), (32, 128))
"""Texts in a batch, tokens in each."""
TRY_SECONDS = 1.0
TIMEOUT_S = 300
OURS, DISTILBERT = "bundle", "DistilBERT"


def measure_bare(campaign: Campaign, number: int, results: Results) -> None:
    """What the engine alone does in this round, for the scenarios that are held against it."""
    wanted = {scenario.name for scenario in campaign.scenarios}
    for name, mode in (("bulk", "requests"), ("bulk", "together"), ("single", "alone")):
        if name in wanted:
            bodies = campaign.bodies(SCENARIOS[name])
            arguments = [str(campaign.bundle), str(bodies), mode]
            value = float(_run("bare", *arguments, "--seconds", str(campaign.seconds)))
            note(f"round {number}  {name:7} engine    {value:9.2f} {mode}")
            results.bare.append(BareSample(name, mode, number, value))


def measure_cost(campaign: Campaign, results: Results) -> None:
    """Tokens a second of the bundle's graph and of DistilBERT, each at its best shape."""
    distilbert = campaign.work / "distilbert.onnx"
    results.about["distilbert_parameters"] = write_distilbert(distilbert)
    graphs = {OURS: campaign.bundle / MODEL_FILE, DISTILBERT: distilbert}
    best = {}
    for name, graph in graphs.items():
        tried = _measure_shapes(name, graph, 0, _shapes(), TRY_SECONDS)
        results.cost += tried
        best[name] = _write(max(tried, key=lambda sample: sample.tokens_per_s))
    for number in range(1, campaign.rounds + 1):
        for name, graph in graphs.items():
            seconds = float(campaign.seconds)
            results.cost += _measure_shapes(name, graph, number, [best[name]], seconds)


def _shapes() -> list[str]:
    """Each size as one run with a thread per core, and as a run of one thread per core."""
    cores = usable_cpus()
    layouts = dict.fromkeys(((1, cores), (cores, 1)))
    return [
        f"{texts}x{tokens}x{runs}x{threads}" for texts, tokens in SIZES for runs, threads in layouts
    ]


def _write(sample: CostSample) -> str:
    return f"{sample.texts}x{sample.tokens}x{sample.runs}x{sample.threads}"


def _measure_shapes(
    name: str, graph: Path, number: int, shapes: Sequence[str], seconds: float
) -> list[CostSample]:
    measured = _run("cost", str(graph), *shapes, "--seconds", str(seconds))
    samples = [CostSample(graph=name, round=number, **found) for found in measured]
    best = max(samples, key=lambda sample: sample.tokens_per_s)
    note(f"round {number}  cost    {name:10} {best.tokens_per_s:9.0f} tokens/s  {_write(best)}")
    return samples


def _run(module: str, *arguments: str) -> Any:
    """The JSON that a module prints, run in the service's environment."""
    command = [str(python_of(SERVICE)), "-m", f"benchmarks.serve.{module}", *arguments]
    variables = {name: v for name, v in os.environ.items() if not name.startswith("SENTIMENT_")}
    try:
        ran = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        raise BenchmarkError(f"{module}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{module}: took over {TIMEOUT_S} s") from error
    return json.loads(ran.stdout)
