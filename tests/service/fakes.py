"""What the tests control: the turns of the event loop, an executor, a clock and an engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from service.engine import CPU, Float32, Int32

SECRET = "what a user wrote"


async def settle() -> None:
    """Let everything on the event loop that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class ManualExecutor(Executor):
    """Runs a call when the test says so, in the order of submission."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run_next(self) -> None:
        future, call = self.calls.pop(0)
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class EchoRun:
    """A model whose logits for a text are its first token and its length; keeps its batches."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []

    def __call__(self, texts: Sequence[Sequence[int]]) -> Float32:
        self.batches.append([list(text) for text in texts])
        return np.array([[text[0], len(text)] for text in texts], dtype=np.float32)


class BrokenEngine:
    """An engine that quotes a text in its error, as a library might."""

    provider = CPU

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        raise RuntimeError(SECRET)


class GatedEngine:
    """Another engine, which runs when the gate is opened."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.runs = 0

    @property
    def provider(self) -> str:
        return str(self._engine.provider)

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        self.runs += 1
        self.entered.set()
        if not self.gate.wait(timeout=30):
            raise TimeoutError("the test never opened the gate")
        logits: Float32 = self._engine.run(ids, lengths)
        return logits
