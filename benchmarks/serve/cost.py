"""What a token costs: a graph run by onnxruntime over batches of one length.

Runs in the service's environment as `python -m benchmarks.serve.cost`, and prints JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

SEED = 0
VOCABULARY = 20_000  # both graphs have more pieces
Feed = dict[str, npt.NDArray[np.int32]]


@dataclass(frozen=True)
class Shape:
    """Texts of one length in a batch; runs side by side, and threads within each."""

    texts: int
    tokens: int
    runs: int
    threads: int

    @classmethod
    def parse(cls, written: str) -> Shape:
        """Of `32x128x1x2`."""
        return cls(*map(int, written.split("x")))


def measure_tokens_per_s(graph: Path, shape: Shape, seconds: float) -> float:
    """Tokens a second, none of them padding; at least one run each."""
    session = ort.InferenceSession(
        graph, _options(shape.threads), providers=["CPUExecutionProvider"]
    )
    feed = make_feed(session, shape)
    session.run(None, feed)
    with ThreadPoolExecutor(shape.runs) as pool:
        began_s = time.perf_counter()
        loops = [
            pool.submit(_run_until, lambda: session.run(None, feed), began_s + seconds)
            for _ in range(shape.runs)
        ]
        runs = sum(loop.result() for loop in loops)
        return runs * shape.texts * shape.tokens / (time.perf_counter() - began_s)


def make_feed(session: ort.InferenceSession, shape: Shape) -> Feed:
    """Random pieces for the bundle's graph (ids, lengths) or DistilBERT's (ids, mask)."""
    random = np.random.default_rng(SEED)
    size = (shape.texts, shape.tokens)
    inputs: Feed = {
        "ids": random.integers(2, VOCABULARY, size, dtype=np.int32),
        "lengths": np.full(shape.texts, shape.tokens, dtype=np.int32),
        "mask": np.ones(size, dtype=np.int32),
    }
    return {node.name: inputs[node.name] for node in session.get_inputs()}


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return options


def _run_until(run: Callable[[], Any], deadline_s: float) -> int:
    runs = 0
    while not runs or time.perf_counter() < deadline_s:
        run()
        runs += 1
    return runs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", type=Path)
    parser.add_argument("shapes", type=Shape.parse, nargs="+")
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    measured = [
        {**asdict(shape), "tokens_per_s": measure_tokens_per_s(given.graph, shape, given.seconds)}
        for shape in given.shapes
    ]
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
