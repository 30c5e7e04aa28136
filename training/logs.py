"""The curves of a run: CSV files beside TensorBoard's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class RunLog:
    """Writes `<kind>.csv` and TensorBoard scalars; resuming drops what came after `step`."""

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._step = step
        self._open: set[str] = set()
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """One row of numbers, the same columns at each call of a kind."""
        row = {"step": step, **values}
        path = self._folder / f"{kind}.csv"
        if kind not in self._open:
            self._open.add(kind)
            self._rewind(path, list(row))
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, list(row)).writerow(row)
        for name, value in values.items():
            self._board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        self._board.close()

    def _rewind(self, path: Path, columns: list[str]) -> None:
        kept: list[dict[str, str]] = []
        if self._step and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= self._step]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(kept)
