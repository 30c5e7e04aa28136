"""Checkpoints: written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from training.errors import TrainingError

CHECKPOINT_FILE = "checkpoint.pt"
BEST_FILE = "best.pt"


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write beside `path`, flush to disk, rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def load(path: Path) -> dict[str, Any]:
    """What `save_atomically` wrote. Raises TrainingError when it cannot be read."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except Exception as error:  # a broken file raises a different error at every layer
        raise TrainingError(f"{path}: not a checkpoint ({error})") from error
