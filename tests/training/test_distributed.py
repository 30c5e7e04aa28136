from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from service.model import open_model
from tests.training.samples import (
    assert_ends_like_the_whole_run,
    run_python,
    stop_midway,
    train_command,
    write_project,
)
from training.checkpoint import CHECKPOINT_FILE, load
from training.distributed import world

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")

# Each process notes, at every training step, what it reads and the weights it reads it with.
WATCH = """
import hashlib, json, sys
from pathlib import Path

import torch
from tests.training.samples import classifier, corpus, settings
from training.distributed import world
from training.trainer import Trainer

seen = []

def note(model, inputs):
    if model.training:
        weights = b"".join(w.detach().numpy().tobytes() for w in model.parameters())
        ids = inputs[0].numpy().tobytes()
        seen.append([hashlib.sha256(part).hexdigest() for part in (weights, ids)])

with world() as here:
    shared = here.share(here.rank + 5.0), here.any(here.rank == 1), here.any(False)
    model = classifier(word_dropout=0.2)
    model.register_forward_pre_hook(note)
    data = corpus(33)
    folder = Path(sys.argv[1])
    Trainer(settings(passes=3), model, data, data, folder / "run", here, 0, "").fit()
    (folder / f"{here.rank}.json").write_text(json.dumps([shared, seen]))
"""


def test_one_process_is_a_world_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with world() as here:
        assert (here.rank, here.size, here.leads) == (0, 1, True)
        assert here.share(0.5) == 0.5
        assert here.any(True)
        assert not here.any(False)
        here.wait()


def test_two_processes_read_different_rows_with_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "watch.py"
    script.write_text(WATCH)
    done = run_python(*TORCHRUN, str(script), str(tmp_path))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first[0] == second[0] == [5.0, True, False]
    assert len(first[1]) == len(second[1]) > 3
    weights = [step[0] for step in first[1]]
    assert weights == [step[0] for step in second[1]]
    assert len(set(weights)) == len(weights)
    assert all(a[1] != b[1] for a, b in zip(first[1], second[1], strict=True))


def test_two_processes_train_one_bundle_and_resume_to_the_same_bits(tmp_path: Path) -> None:
    write_project(tmp_path, rows=60, training="passes = 6\npatience = 100")
    done = run_python(*TORCHRUN, *train_command(tmp_path, "run", "models"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bundle: ") == 1
    assert open_model(tmp_path / "models" / "tiny").manifest.labels == ("negative", "positive")

    command = train_command(tmp_path, "stopped", "models-stopped")
    assert stop_midway(signal.SIGINT, *TORCHRUN, *command) != 0
    step = load(tmp_path / "stopped" / CHECKPOINT_FILE)["progress"]["step"]
    assert 0 < step < load(tmp_path / "run" / CHECKPOINT_FILE)["progress"]["step"]
    done = run_python(*TORCHRUN, *command)
    assert done.returncode == 0, done.stderr
    assert_ends_like_the_whole_run(tmp_path, "stopped")

    alone = run_python(*command, "--replace")
    assert alone.returncode == 1
    assert "other settings" in alone.stderr
