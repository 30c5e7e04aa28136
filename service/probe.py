"""Whether the models answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.deadline import Deadline
from service.errors import Unavailable
from service.model import Model
from service.waiting import Clock

PROBE_TEXT = "good 好"


class Probe:
    """Runs every model on a real text, past the queues and in a thread of its own.

    Whoever asks meanwhile shares one run, so that a model that hangs holds one thread, not many.
    """

    def __init__(self, models: Mapping[str, Model], clock: Clock) -> None:
        self._models = models
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._run: asyncio.Task[None] | None = None
        self._started_s = 0.0

    async def run(self, timeout_ms: int) -> None:
        """Raise Unavailable when a model does not answer, DeadlineExceeded when not in time."""
        if self._run is None or self._run.done():
            self._started_s = self._clock()
            self._run = asyncio.create_task(self._run_all())
        with Deadline(timeout_ms):
            await asyncio.shield(self._run)

    def running_s(self) -> float:
        """For how long a run has been running; 0 without any."""
        return self._clock() - self._started_s if self._run and not self._run.done() else 0.0

    async def close(self) -> None:
        """Let a run that is on end."""
        if self._run:
            await asyncio.wait({self._run})
        self._thread.shutdown(wait=False)

    async def _run_all(self) -> None:
        loop = asyncio.get_running_loop()
        for name, model in self._models.items():
            if not await loop.run_in_executor(self._thread, _answers, model):
                raise Unavailable(f"model {name} does not answer")


def _answers(model: Model) -> bool:
    try:
        logits = model.logits([model.tokenizer.encode(PROBE_TEXT)])
    except Exception:  # onnxruntime's own exceptions share no public base class
        return False
    return bool(np.isfinite(logits).all())
