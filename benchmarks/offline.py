"""`sentiment predict FILE` against the bare engine on the same texts, tokenized and planned.

Both take turns, so that a machine whose speed drifts slows both. The bare engine runs on as many
threads as the command has, and pays for neither reading, tokenizing nor writing.

    python -m benchmarks.offline reviews.csv           # prints a table, writes results/offline.json
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from service.catalog import open_models
from service.cpus import usable_cpus
from service.model import Model
from service.offline import FileJob, predict_file
from service.planner import BatchBudget, plan
from service.progress import open_meter
from service.settings import Settings
from service.tables import TableOptions, open_table
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


def measure_bare(model: Model, batches: Sequence[Batch], threads: int) -> float:
    """Tokens a second of the engine alone."""
    tokens = sum(len(text) for batch in batches for text in batch)
    with ThreadPoolExecutor(threads) as executor:
        began_s = time.perf_counter()
        list(executor.map(model.logits, batches))
        return tokens / (time.perf_counter() - began_s)


def measure_command(settings: Settings, table: TableOptions, source: Path) -> float:
    """Tokens a second of a run from reading the first row to the output on disk."""
    with TemporaryDirectory() as folder, open_meter() as meter:
        job = FileJob(source, Path(folder) / "out", table)
        whole = predict_file(settings, job, meter)
        return whole.tokens / meter.elapsed_s()


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
    """Alternate both and report the median ratio."""
    settings = Settings(models_dir=models_dir)
    table = TableOptions(format="csv", column=column)
    (model,) = open_models(settings).values()
    batches = plan_all(model, read_texts(source, table), settings)
    rows = []
    for number in range(rounds):
        bare = measure_bare(model, batches, usable_cpus())
        command = measure_command(settings, table, source)
        rows.append({"bare": bare, "command": command, "ratio": command / bare})
        print(
            f"round {number + 1}: command {command:,.0f} tokens/s, "
            f"bare engine {bare:,.0f}, ratio {command / bare:.2f}",
            flush=True,
        )
    ratio = statistics.median(row["ratio"] for row in rows)
    print(f"median ratio {ratio:.2f} on {usable_cpus()} cores")
    RESULTS.write_text(json.dumps({"median_ratio": ratio, "rounds": rows}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
