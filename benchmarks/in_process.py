"""CPU time of one POST /predict within the process: no network, and an engine that takes none.

What is left is ours to save: reading, tokenizing, queueing, writing, within uvicorn's protocol.
Beside it the endpoint that does nothing, on FastAPI as it comes. The least of many short bursts
counts, so that a busy machine does not.

    python -m benchmarks.in_process [BUNDLE]
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import typer
import uvloop
from fastapi import FastAPI

from benchmarks.serve.servers.nothing import app as nothing
from benchmarks.wire import Wire, post
from service.app import create_app
from service.engine import CPU, Float32, Int32
from service.model import open_model
from service.settings import Settings

TEXT = (
    "The battery lasts two days and the screen is gorgeous, but nobody answers my letters "
    "after it broke last week, so I would not buy this phone again."
)
REQUEST = post("/predict", json.dumps({"inputs": [TEXT]}).encode())
CONCURRENT = 64
BURSTS = 40
EACH = 10
"""Requests one after the other, of each of those that run side by side."""


class InstantEngine:
    """Gives every text the same logits at once."""

    provider = CPU

    def __init__(self, classes: int) -> None:
        self._row = np.linspace(0, 1, classes, dtype=np.float32)

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        return np.broadcast_to(self._row, (len(ids), len(self._row)))


async def least_us(app: FastAPI, state: dict[str, Any]) -> float:
    """Microseconds of CPU time of a request, with CONCURRENT of them side by side."""
    wires = [Wire(app, state) for _ in range(CONCURRENT)]

    async def some(wire: Wire) -> None:
        for _ in range(EACH):
            wire.written.clear()
            wire.send(REQUEST)
            while not b"".join(wire.written).endswith(b"}"):
                await wire.wait_for_writes(len(wire.written) + 1)

    least = float("inf")
    for _ in range(BURSTS):
        began_s = time.process_time()
        await asyncio.gather(*(some(wire) for wire in wires))
        least = min(least, time.process_time() - began_s)
    for wire in wires:
        assert wire.written[0].startswith(b"HTTP/1.1 200")
        wire.hang_up()
    return 1e6 * least / (CONCURRENT * EACH)


async def measure(bundle: Path) -> None:
    model = open_model(bundle)
    model.engine = InstantEngine(len(model.manifest.labels))
    ours = create_app(Settings(processes=1, access_log="errors"), {"default": model})
    async with ours.router.lifespan_context(ours) as state:
        found = [("this service", await least_us(ours, dict(state or {})))]
    found.append(("FastAPI that does nothing", await least_us(nothing, {})))
    for name, microseconds in found:
        typer.echo(f"{name:26} {microseconds:7.1f} us a request")
    typer.echo(f"{'ratio':26} {found[0][1] / found[1][1]:7.2f}")


def main(bundle: Path = typer.Argument(Path("models/default"))) -> None:  # noqa: B008
    uvloop.run(measure(bundle))


if __name__ == "__main__":
    typer.run(main)
