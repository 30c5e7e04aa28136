"""The server over an engine that fails as the texts say: `python -m tests.service.faulty_server`.

Its argument is a folder. A line of its file `journal` tells of each run, and while there is a
file `gate` in it, texts that say so do not get through. With the further argument `cuda` the
engine claims to run on CUDA, which no fork survives; with `probe` it hangs when it is probed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from service.engine import CPU, CUDA, Engine, Float32, Int32
from service.model import Model, open_model
from service.probe import PROBE_TEXT
from service.server import run_server
from service.settings import Settings, find_models_dir

GATED = "🐢"
FAILS = "💥"
HANGS = "🛑"
SLOW = "🐌"
SLOW_RUN_S = 0.05
BEYOND_ANY_VOCABULARY = 2**30


class FaultyEngine:
    """Runs another engine, after what the texts of the batch ask for."""

    def __init__(self, engine: Engine, marks: Mapping[str, Int32], folder: Path, provider: str):
        self._engine = engine
        self._marks = marks
        self._folder = folder
        self.provider = provider

    def run(self, ids: Int32, lengths: Int32) -> Float32:
        self._note("began", lengths)
        while self._asked(GATED, ids) and (self._folder / "gate").exists():
            time.sleep(0.01)
        if self._asked(SLOW, ids):
            time.sleep(SLOW_RUN_S)
        while self._asked(HANGS, ids):
            time.sleep(1)
        if self._asked(FAILS, ids):
            ids = np.where(ids == ids[0, 0], np.int32(BEYOND_ANY_VOCABULARY), ids)
        logits = self._engine.run(ids, lengths)
        self._note("ended", lengths)
        return logits

    def _asked(self, mark: str, ids: Int32) -> bool:
        return any(self._marks[mark].tobytes() in row.tobytes() for row in ids)

    def _note(self, what: str, lengths: Int32) -> None:
        with (self._folder / "journal").open("a") as journal:
            journal.write(f"{what} {' '.join(map(str, lengths.tolist()))}\n")


def open_faulty_model(settings: Settings, folder: Path, arguments: Sequence[str] = ()) -> Model:
    """The first model of the settings, whose engine fails as the texts say."""
    model = open_model(find_models_dir(settings) / settings.models[0])
    marks = {
        mark: np.array(model.tokenizer.encode(f"a{mark}")[-4:], dtype=np.int32)  # UTF-8 bytes
        for mark in (GATED, FAILS, HANGS, SLOW)
    }
    if "probe" in arguments:
        marks[HANGS] = np.array(model.tokenizer.encode(PROBE_TEXT), dtype=np.int32)
    provider = CUDA if "cuda" in arguments else CPU
    engine = FaultyEngine(model.engine, marks, folder, provider)
    # Not warmed up: what goes to a thread is then the same on every machine.
    return Model(model.bundle, model.tokenizer, engine)


def serve(folder: Path, arguments: Sequence[str]) -> None:
    settings = Settings()
    run_server(settings, {"default": open_faulty_model(settings, folder, arguments)})


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
