"""`sentiment predict FILE` against the bare engine on the same texts, tokenized and planned.

Both take turns, so that a machine whose speed drifts slows both. The bare engine runs on as many
threads as the command has, and pays for neither reading, tokenizing nor writing. Where other
programs run beside it, go by the tokens a second of CPU time.

    python -m benchmarks.offline reviews.csv           # prints a table, writes results/offline.json
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from service.catalog import open_models
from service.cpus import usable_cpus
from service.formats import open_table
from service.model import Model
from service.offline import FileJob, predict_file
from service.planner import BatchBudget, plan
from service.progress import open_meter
from service.settings import Settings
from service.tables import TableOptions
from service.texts import TextLimits, encode_text

PLANNED_TOGETHER = 512
RESULTS = Path(__file__).parent / "results" / "offline.json"

Batch = list[list[int]]


def plan_all(model: Model, texts: Sequence[str], settings: Settings) -> list[Batch]:
    """The texts' tokens in batches, planned as the service plans."""
    limits = TextLimits(settings.max_text_chars, model.manifest.max_tokens)
    ids = [encode_text(model.tokenizer, text, limits, truncate=True).ids for text in texts]
    budget = BatchBudget(settings.max_batch_tokens, settings.max_batch_size)
    batches = []
    for start in range(0, len(ids), PLANNED_TOGETHER):
        some = ids[start : start + PLANNED_TOGETHER]
        planned = plan([len(text) for text in some], model.cost, budget)
        batches += [[some[index] for index in batch] for batch in planned]
    return batches


@dataclass(frozen=True)
class Speed:
    """Tokens a second, and a second of CPU time."""

    wall: float
    cpu: float


def measure_bare(model: Model, batches: Sequence[Batch], threads: int) -> Speed:
    """The engine alone."""
    tokens = sum(len(text) for batch in batches for text in batch)
    with ThreadPoolExecutor(threads) as executor:
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        list(executor.map(model.logits, batches))
        cpu_s = time.process_time() - began_cpu_s
        return Speed(tokens / (time.perf_counter() - began_s), tokens / cpu_s)


def measure_command(settings: Settings, table: TableOptions, source: Path) -> Speed:
    """A run from reading the first row to the output on disk, and the CPU time of all of it."""
    began_cpu_s = time.process_time()
    with TemporaryDirectory() as folder, open_meter() as meter:
        job = FileJob(source, Path(folder) / "out", table)
        whole = predict_file(settings, job, meter)
        cpu_s = time.process_time() - began_cpu_s
        return Speed(whole.tokens / meter.elapsed_s(), whole.tokens / cpu_s)


def read_texts(source: Path, table: TableOptions) -> list[str]:
    with closing(source.open("rb")) as file:
        windows = open_table(file, table).windows()
        return [text for window in windows for text in window.texts if isinstance(text, str)]


def main(
    source: Annotated[Path, typer.Argument(help="A CSV file, not compressed.")],
    column: str = "text",
    rounds: int = 3,
    models_dir: Path | None = None,
) -> None:
    """Alternate both and report the median ratios."""
    settings = Settings(models_dir=models_dir)
    table = TableOptions(format="csv", column=column)
    (model,) = open_models(settings).values()
    batches = plan_all(model, read_texts(source, table), settings)
    rows = []
    for number in range(rounds):
        bare = measure_bare(model, batches, usable_cpus())
        command = measure_command(settings, table, source)
        row = {"wall": command.wall / bare.wall, "cpu": command.cpu / bare.cpu}
        rows.append({**row, "bare": asdict(bare), "command": asdict(command)})
        print(
            f"round {number + 1}: command {command.wall:,.0f} tokens/s, "
            f"bare engine {bare.wall:,.0f}, ratio {row['wall']:.2f}; of CPU time "
            f"{command.cpu:,.0f}, {bare.cpu:,.0f}, {row['cpu']:.2f}",
            flush=True,
        )
    wall, cpu = (statistics.median(row[kind] for row in rows) for kind in ("wall", "cpu"))
    print(f"median ratio {wall:.2f}, of CPU time {cpu:.2f}, on {usable_cpus()} cores")
    found = {"median_ratio": wall, "median_cpu_ratio": cpu, "rounds": rows}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
