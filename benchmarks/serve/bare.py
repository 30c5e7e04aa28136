"""The engine without a server: what the machine does on the same texts at best.

Runs in the service's environment as `python -m benchmarks.serve.bare`, and prints JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from benchmarks.serve.scenarios import Body, read_bodies
from service.cpus import usable_cpus
from service.engine import pad
from service.model import Model, open_model
from service.planner import BatchBudget, plan
from service.settings import Settings

PLANNED_TOGETHER = 512
ALONE_RUNS = 300

TokenIds = list[int]
Groups = list[list[TokenIds]]


@dataclass(frozen=True)
class _Task:
    bundle: Path
    bodies: Path
    seconds: float
    together: bool


def measure_texts_per_s(bundle: Path, bodies: Path, seconds: float, together: bool) -> float:
    """Texts a second of all cores, a process each.

    Each request's texts are planned by themselves, or `together` with those of others.
    """
    processes = usable_cpus()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.SimpleQueue()
    task = _Task(bundle, bodies, seconds, together)
    workers = [
        context.Process(target=_run, args=(task, barrier, results)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    total = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return float(total)


def measure_alone_ms(bundle: Path, bodies: Path) -> float:
    """Median milliseconds of a text by itself: padded and run, nothing else."""
    model = open_model(bundle)
    texts = [model.tokenizer.encode(body[0]) for body in read_bodies(bodies)]
    seconds = []
    for _, ids in zip(range(ALONE_RUNS), cycle(texts), strict=False):
        began_s = time.perf_counter()
        model.engine.run(*pad([ids], model.manifest.pad_id))
        seconds.append(time.perf_counter() - began_s)
    return 1000 * median(seconds)


def _run(task: _Task, barrier: Barrier, results: SimpleQueue[float]) -> None:
    """Texts a second of one process, which begins when all are ready."""
    model = open_model(task.bundle)
    model.warm_up(time.perf_counter)
    groups = _group(model, read_bodies(task.bodies), task.together)
    barrier.wait()
    done, began_s = 0, time.perf_counter()
    for group in cycle(groups):
        _answer(model, group)
        done += len(group)
        if time.perf_counter() - began_s >= task.seconds:
            break
    results.put(done / (time.perf_counter() - began_s))


def _group(model: Model, bodies: Iterable[Body], together: bool) -> Groups:
    requests = [[model.tokenizer.encode(text) for text in body] for body in bodies]
    if not together:
        return requests
    texts = [ids for request in requests for ids in request]
    return [texts[i : i + PLANNED_TOGETHER] for i in range(0, len(texts), PLANNED_TOGETHER)]


def _answer(model: Model, texts: Sequence[TokenIds]) -> None:
    """Plan the texts as the server would, and run the batches."""
    settings = Settings()
    budget = BatchBudget(settings.max_batch_tokens, settings.max_batch_size)
    for batch in plan([len(ids) for ids in texts], model.cost, budget):
        model.logits([texts[index] for index in batch])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("bodies", type=Path)
    parser.add_argument("mode", choices=("alone", "requests", "together"))
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    if given.mode == "alone":
        result = measure_alone_ms(given.bundle, given.bodies)
    else:
        together = given.mode == "together"
        result = measure_texts_per_s(given.bundle, given.bodies, given.seconds, together)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
