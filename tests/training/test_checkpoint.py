from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.checkpoint import load, save_atomically
from training.errors import TrainingError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {"step": 3, "scores": [0.5], "weights": {"w": torch.randn(2, 3)}}
    save_atomically(state, tmp_path / "new" / "c.pt")
    found = load(tmp_path / "new" / "c.pt")
    assert (found["step"], found["scores"]) == (3, [0.5])
    assert torch.equal(found["weights"]["w"], state["weights"]["w"])  # type: ignore[index]


def test_saving_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    for step in (1, 2):
        save_atomically({"step": step}, tmp_path / "c.pt")
    assert load(tmp_path / "c.pt") == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_a_failed_save_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    save_atomically({"step": 1}, tmp_path / "c.pt")
    with pytest.raises(Exception, match="pickle"):
        save_atomically({"step": lambda: None}, tmp_path / "c.pt")
    assert load(tmp_path / "c.pt") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.parametrize("damage", ["empty", "half", "other"])
def test_a_broken_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c.pt"
    save_atomically({"weights": torch.randn(100)}, path)
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "other": b"x"}[damage])
    with pytest.raises(TrainingError, match=r"c\.pt: not a checkpoint"):
        load(path)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch.save({"path": Path("x")}, tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load(tmp_path / "c.pt")
