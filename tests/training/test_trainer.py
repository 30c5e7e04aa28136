from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.model import open_model
from tests.training.samples import (
    assert_ends_like_the_whole_run,
    assert_same_bits,
    classifier,
    corpus,
    options,
    rows_of_csv,
    run_python,
    settings,
    stop_midway,
    train_command,
    write_project,
)
from training.batching import TokenStore
from training.checkpoint import BEST_FILE, CHECKPOINT_FILE, load
from training.corpus import Corpus
from training.distributed import World
from training.errors import TrainingError
from training.interrupt import Interrupted
from training.model import Classifier
from training.objectives import UNLABELLED
from training.plan import Plan
from training.precision import has_bf16_lstm
from training.trainer import Trainer

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


def trainer_of(
    folder: Path,
    model: Classifier | None = None,
    train: Corpus | None = None,
    dev: Corpus | None = None,
    seed: int = 0,
    fingerprint: str = "this run",
    **fields: Any,
) -> Trainer:
    train = train or corpus()
    config = settings(**fields)
    return Trainer(
        config, model or classifier(), train, dev or train, folder, ALONE, seed, fingerprint
    )


# Learning


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_32_examples_can_be_overfitted(tmp_path: Path, cell: str) -> None:
    examples = corpus(32, shortest=6)
    examples.targets[:] = np.random.default_rng(0).integers(0, 2, 32)  # nothing but the rows tells
    fields = {"passes": 60, "average_decay": 0.0, "patience": 1000, "learning_rate": 3e-2}
    trainer_of(tmp_path, classifier(cell=cell), examples, **fields).fit()
    assert float(rows_of_csv(tmp_path / "dev.csv")[-1]["mean"]) == 1.0


def test_the_best_weights_are_returned_not_the_last(tmp_path: Path) -> None:
    """Dev says the opposite of train, so every step past the first makes it worse."""
    dev = corpus()
    dev.targets[:] = 1 - dev.targets
    trainer = trainer_of(tmp_path, dev=dev, passes=8, patience=100, average_decay=0.0)
    found = trainer.fit().state_dict()
    curve = [float(row["mean"]) for row in rows_of_csv(tmp_path / "dev.csv")]
    assert curve[-1] < max(curve)
    assert_same_bits(found, load(tmp_path / BEST_FILE)["model"])
    last = load(tmp_path / CHECKPOINT_FILE)
    assert last["progress"]["best_score"] == max(curve)
    assert not torch.equal(found["head.weight"], last["model"]["head.weight"])


def test_each_data_set_counts_the_same_on_dev(tmp_path: Path) -> None:
    trainer_of(tmp_path, dev=corpus(40, sets=2), passes=1).fit()
    for row in rows_of_csv(tmp_path / "dev.csv"):
        scores = [float(row["set0"]), float(row["set1"])]
        assert float(row["mean"]) == pytest.approx(sum(scores) / 2)


def test_dev_chooses_among_the_labels_that_a_set_can_say(tmp_path: Path) -> None:
    """A network that would always say the third label is right within sets of the other two."""
    model, texts = classifier(classes=3), corpus(classes=2)
    two_way = replace(texts, sayable=np.tile([True, True, False], (len(texts), 1)))
    with torch.no_grad():
        model.head.bias[2] = 100.0
    trained = trainer_of(tmp_path, model, two_way, passes=10, average_decay=0.0).fit()
    assert trained.head.bias[2] > 90
    assert float(rows_of_csv(tmp_path / "dev.csv")[-1]["mean"]) == 1.0


def test_averaged_weights_are_kept_when_asked_for(tmp_path: Path) -> None:
    trainer_of(tmp_path, average_decay=0.99).fit()
    state = load(tmp_path / CHECKPOINT_FILE)
    kept = load(tmp_path / BEST_FILE)["model"]["head.weight"]
    assert not torch.equal(kept, state["model"]["head.weight"])
    assert (kept - state["model"]["head.weight"]).abs().max() < 0.5


def test_a_run_stops_when_dev_stops_improving(tmp_path: Path) -> None:
    """A rate too small to change any answer."""
    trainer_of(tmp_path, passes=50, evaluations_per_pass=1, patience=3, learning_rate=1e-12).fit()
    assert len(rows_of_csv(tmp_path / "dev.csv")) == 1 + 3


def test_dev_is_read_as_often_as_asked(tmp_path: Path) -> None:
    trainer_of(tmp_path, passes=3, evaluations_per_pass=2, patience=100).fit()
    steps = [int(row["step"]) for row in rows_of_csv(tmp_path / "dev.csv")]
    assert len(steps) == 6
    assert steps[-1] == load(tmp_path / CHECKPOINT_FILE)["progress"]["step"]


@pytest.mark.parametrize("passes", [1, 20])
def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, passes: int) -> None:
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d+; lower"):
        trainer_of(tmp_path, passes=passes, learning_rate=1e38, patience=100).fit()
    assert not (tmp_path / CHECKPOINT_FILE).exists()


@pytest.mark.skipif(not has_bf16_lstm(ALONE.device), reason="this processor has no bf16 LSTM")
def test_bf16_follows_fp32(tmp_path: Path) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        trainer_of(tmp_path / precision, precision=precision, passes=10, patience=100).fit()
        losses.append(
            [float(row["loss"]) for row in rows_of_csv(tmp_path / precision / "train.csv")]
        )
    assert len(losses[0]) >= 2
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    assert losses[0] != losses[1]


# Repeating


def test_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    found = [
        trainer_of(tmp_path / name, classifier(word_dropout=0.2), seed=seed).fit().state_dict()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert_same_bits(found[0], found[1])
    assert not torch.equal(found[0]["head.weight"], found[2]["head.weight"])


def test_each_restart_begins_a_cycle_of_a_third_of_the_rate(tmp_path: Path) -> None:
    trainer_of(tmp_path, passes=20, restarts=(20,), patience=1000, learning_rate=3e-2).fit()
    rows = rows_of_csv(tmp_path / "train.csv")
    rates = {int(row["step"]): float(row["learning_rate"]) for row in rows}
    half = max(rates) // 2
    first = max(rate for step, rate in rates.items() if step <= half)
    second = max(rate for step, rate in rates.items() if step > half)
    assert second == pytest.approx(first / 3, rel=0.2)


def test_a_run_that_ended_between_two_cycles_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole = trainer_of(tmp_path / "whole", passes=2, restarts=(2,), patience=1000).fit()
    with pytest.MonkeyPatch.context() as patch:
        # As if killed right after the checkpoint at the end of a cycle.
        patch.setattr(Plan, "total_steps", property(lambda plan: plan.starts[2]))
        trainer_of(tmp_path / "part", passes=2, restarts=(2,), patience=1000).fit()
    resumed = trainer_of(tmp_path / "part", passes=2, restarts=(2,), patience=1000).fit()
    assert_same_bits(whole.state_dict(), resumed.state_dict())


def test_a_finished_run_is_found_finished(tmp_path: Path) -> None:
    first = trainer_of(tmp_path).fit().state_dict()
    before = rows_of_csv(tmp_path / "dev.csv")
    again = trainer_of(tmp_path, classifier(seed=9)).fit().state_dict()
    assert_same_bits(again, first)
    assert rows_of_csv(tmp_path / "dev.csv") == before


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    trainer_of(tmp_path).fit()
    with pytest.raises(TrainingError, match=r"is of a run with other settings.*--fresh"):
        trainer_of(tmp_path, fingerprint="another run").fit()


def test_the_log_has_the_columns_that_are_documented(tmp_path: Path) -> None:
    trainer_of(tmp_path, passes=10, patience=100).fit()
    train, dev = rows_of_csv(tmp_path / "train.csv"), rows_of_csv(tmp_path / "dev.csv")
    assert list(train[0]) == ["step", "loss", "learning_rate", "tokens_per_s"]
    assert list(dev[0]) == ["step", "mean", "set0"]
    assert [int(row["step"]) for row in train] == list(range(20, 20 * len(train) + 1, 20))
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_every_text_is_read_once_more_with_noise_after_the_passes_without(tmp_path: Path) -> None:
    trainer = trainer_of(
        tmp_path, passes=3, adversarial_norm=0.1, adversarial_after=1, patience=100
    )
    read: list[bool] = []

    def note(model: Classifier, _: object, options: dict[str, Any], __: object) -> None:
        if model.training:
            noise = options["noise"]
            read.append(noise is not None and bool(noise.any()))

    trainer._model.register_forward_hook(note, with_kwargs=True)
    trainer.fit()
    steps = trainer._plan.starts
    assert read[: steps[1]] == [False] * steps[1]
    assert read[steps[1] :] == [False, True] * (steps[3] - steps[1])


def test_virtual_adversarial_readings_drop_out_the_same(tmp_path: Path) -> None:
    dropping = classifier(word_dropout=0.3, embedding_dropout=0.3, head_dropout=0.5)
    trainer = trainer_of(tmp_path, dropping, virtual_adversarial_norm=1e-5)
    ids = torch.randint(2, 30, (16, 12), generator=torch.manual_seed(0))
    trainer._model.train()
    assert trainer._virtual_adversarial_loss(ids, seed=1) < 1e-6


def test_virtual_adversarial_training_steadies_answers_that_nobody_labels(tmp_path: Path) -> None:
    """Among texts without labels too: here the first half has none."""
    train = corpus(64)
    train.targets[:32] = UNLABELLED
    rows = np.flatnonzero((train.targets == UNLABELLED) & (train.store.lengths > 4))
    ids = torch.from_numpy(np.stack([train.store[row][:4] for row in rows]).astype(np.int64))
    change = {}
    for weight in (0.0, 1.0):
        trainer = trainer_of(
            *(tmp_path / str(weight), classifier(), train, corpus(8)),
            **{"passes": 10, "patience": 100, "average_decay": 0.0},
            virtual_adversarial_weight=weight,
            virtual_adversarial_norm=0.1,
        )
        model = trainer.fit()
        model.load_state_dict(load(tmp_path / str(weight) / CHECKPOINT_FILE)["model"])  # the last
        change[weight] = trainer._virtual_adversarial_loss(ids, seed=0).item()
        assert model(ids).argmax(dim=-1).tolist() == (rows % 2).tolist()
    assert change[1.0] < change[0.0] / 2


def test_each_pass_reads_its_own_segmentation(tmp_path: Path) -> None:
    train = corpus(16)
    shorter = TokenStore.of([train.store[row][:2].tolist() for row in range(len(train))])
    trainer = Trainer(
        *(settings(passes=2), classifier(), train, train, tmp_path, ALONE, 0, "this run"),
        segmentations=[train.store, shorter],
    )
    read: list[int] = []
    trainer._model.register_forward_hook(
        lambda model, inputs, _: read.append(inputs[0].numel()) if model.training else None
    )
    trainer.fit()
    assert sum(read) == train.store.offsets[-1] + shorter.offsets[-1]


# Stopping for real: the command line in processes of its own


@pytest.fixture
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project whose run, in the precision asked for, went through without a stop."""
    training = f'passes = 10\npatience = 100\nprecision = "{request.param}"'
    write_project(tmp_path, model="layers = 2", training=training)
    done = run_python(*train_command(tmp_path, "run", "models"))
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.parametrize("whole", ["auto"], indirect=True)
def test_a_killed_run_resumes_to_the_same_bits(whole: Path) -> None:
    command = train_command(whole, "killed", "models-killed")
    assert stop_midway(signal.SIGKILL, *command) == -signal.SIGKILL
    step = load(whole / "killed" / CHECKPOINT_FILE)["progress"]["step"]
    assert 0 < step < load(whole / "run" / CHECKPOINT_FILE)["progress"]["step"]
    done = run_python(*command)
    assert done.returncode == 0, done.stderr
    assert_ends_like_the_whole_run(whole, "killed")


def test_a_killed_run_resumes_with_the_segmentations_that_it_has_drawn(tmp_path: Path) -> None:
    write_project(tmp_path, training="passes = 10\npatience = 100\nsampling_alpha = 0.3")
    done = run_python(*train_command(tmp_path, "run", "models"))
    assert done.returncode == 0, done.stderr
    (drawn,) = (tmp_path / "run").glob("*.segmentations.pt")
    (tmp_path / "killed").mkdir()
    shutil.copy(drawn, tmp_path / "killed")  # another process would draw others
    command = train_command(tmp_path, "killed", "models-killed")
    assert stop_midway(signal.SIGKILL, *command) == -signal.SIGKILL
    done = run_python(*command)
    assert done.returncode == 0, done.stderr
    assert_ends_like_the_whole_run(tmp_path, "killed")


@pytest.mark.parametrize("whole", ["fp32"], indirect=True)
def test_ctrl_c_leaves_weights_to_export_and_a_run_to_resume(whole: Path) -> None:
    command = train_command(whole, "stopped", "models-stopped")
    assert stop_midway(signal.SIGINT, *command) == 130
    assert not (whole / "models-stopped").exists()
    step = load(whole / "stopped" / CHECKPOINT_FILE)["progress"]["step"]
    assert 0 < step < load(whole / "run" / CHECKPOINT_FILE)["progress"]["step"]
    exported = run_python(
        *("-m", "training", "export", str(whole / "run.toml")),
        *options(whole, "stopped", "models-early"),
    )
    assert exported.returncode == 0, exported.stderr
    assert open_model(whole / "models-early" / "tiny").manifest.name == "tiny"
    done = run_python(*command)
    assert done.returncode == 0, done.stderr
    assert_ends_like_the_whole_run(whole, "stopped")


def test_a_stop_before_the_first_evaluation_leaves_weights_too(tmp_path: Path) -> None:
    model = classifier()
    model.register_forward_hook(lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted, match="stopped at step 1 of"):
        trainer_of(tmp_path, model, passes=3).fit()
    assert load(tmp_path / BEST_FILE)["model"]
    assert load(tmp_path / CHECKPOINT_FILE)["progress"]["step"] == 1


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def interrupt_twice(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    model = classifier()
    model.register_forward_hook(interrupt_twice)
    with pytest.raises(KeyboardInterrupt):
        trainer_of(tmp_path, model).fit()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
