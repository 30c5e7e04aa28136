from __future__ import annotations

import csv
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.logs import RunLog


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(folder: Path, start: int, steps: range, **values: float) -> None:
    log = RunLog(folder, start)
    for step in steps:
        log.write("train", step, {"loss": 1 / step, **values})
    log.close()


def test_each_kind_is_a_table_of_its_own(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    log.write("train", 20, {"loss": 0.5, "learning_rate": 0.1})
    log.write("dev", 20, {"mean": 0.7, "设备": 0.7})
    log.close()
    assert rows(tmp_path / "train.csv") == [{"step": "20", "loss": "0.5", "learning_rate": "0.1"}]
    assert rows(tmp_path / "dev.csv") == [{"step": "20", "mean": "0.7", "设备": "0.7"}]


def test_rows_are_on_disk_at_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    log.write("train", 20, {"loss": 0.5})
    assert len(rows(tmp_path / "train.csv")) == 1
    log.close()


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 6))
    write(tmp_path, 3, range(4, 7))
    assert [row["step"] for row in rows(tmp_path / "train.csv")] == list("123456")


def test_a_fresh_run_drops_everything(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 6), extra=1.0)
    write(tmp_path, 0, range(1, 3))
    assert [row["step"] for row in rows(tmp_path / "train.csv")] == ["1", "2"]


def test_tensorboard_shows_the_same_curve(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 6))
    write(tmp_path, 3, range(4, 7))
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert sorted({event.step for event in board.Scalars("train/loss")}) == [1, 2, 3, 4, 5, 6]
