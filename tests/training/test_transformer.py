from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from scipy.special import softmax
from torch import Tensor

from tests.training.samples import Row, data_set, reviews, write_bert
from training.distillation_config import TeacherConfig
from training.errors import ConfigError, TrainingError
from training.objectives import partial_label_losses
from training.teachers import Teacher, open_teachers
from training.transformer import CHECKPOINTS, FinetuneConfig, dev_accuracies, finetune

LABELS = ("negative", "neutral", "positive")
POLAR = ("negative", "positive")
SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
ROWS: list[Row] = reviews(140)
SET = data_set("reviews", POLAR, train=ROWS[:100], dev=ROWS[100:], language="en")
CONFIG = FinetuneConfig(
    encoder="", language="en", passes=6, batch_size=8, learning_rate=3e-3, max_tokens=32
)


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    encoder = write_bert(tmp_path / "encoder", [text for text, _ in ROWS])
    return replace(CONFIG, encoder=str(encoder))


def opened(folder: Path, **fields: Any) -> Teacher:
    (teacher,) = open_teachers(
        [TeacherConfig(hugging_face=str(folder), **fields)], LABELS, torch.device("cpu")
    )
    return teacher


def test_an_encoder_becomes_a_teacher_that_knows_the_rows(
    config: FinetuneConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "teacher"
    finetune(config, LABELS, [SET], folder, seed=0)
    ((name, figure),) = dev_accuracies(config, [SET], folder)
    assert name == "reviews"
    assert figure.value > 0.9  # by chance 0.5
    teacher = opened(folder)
    assert teacher.says.all()
    assert not (folder / CHECKPOINTS).exists()


def test_two_way_rows_leave_neutral_alone(config: FinetuneConfig, tmp_path: Path) -> None:
    finetune(config, LABELS, [SET], tmp_path / "taught", seed=0)
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "taught")
    bias = model.classifier.bias.tolist()  # begins as 0
    assert bias[1] == 0
    assert bias[0] == pytest.approx(-bias[2], rel=1e-3) != 0


def test_other_languages_are_not_learnt(config: FinetuneConfig, tmp_path: Path) -> None:
    swapped = {"negative": "positive", "positive": "negative"}
    rows = [(text, swapped[label]) for text, label in ROWS]
    chinese = data_set("chinese", POLAR, train=rows, dev=rows, language="zh")
    finetune(config, LABELS, [SET, chinese], tmp_path / "both", seed=0)
    finetune(config, LABELS, [SET], tmp_path / "one", seed=0)
    texts = list(SET.dev.texts)
    both, one = (softmax(opened(tmp_path / n).scores(texts), axis=1) for n in ("both", "one"))
    assert both == pytest.approx(one)
    figures = dev_accuracies(config, [SET, chinese], tmp_path / "one")
    assert [name for name, _ in figures] == ["reviews"]


def test_the_end_of_a_long_text_may_be_what_counts(config: FinetuneConfig, tmp_path: Path) -> None:
    rows = [(f"{'and ' * 40}{text}", label) for text, label in ROWS]
    long = data_set("long", POLAR, train=rows[:100], dev=rows[100:], language="en")
    for side in SIDES:
        finetune(replace(config, truncation_side=side), LABELS, [long], tmp_path / side, seed=0)
    teachers = {side: opened(tmp_path / side, max_tokens=32) for side in SIDES}
    answers = {side: each.scores(long.dev.texts).argmax(axis=1) for side, each in teachers.items()}
    assert len(set(answers["right"].tolist())) == 1  # it has read nothing but "and"
    names = [LABELS[answer] for answer in answers["left"].tolist()]
    assert sum(map(str.__eq__, names, long.dev.labels)) > 0.9 * len(names)


def test_dropout_is_set_in_place_of_the_encoders_own(
    config: FinetuneConfig, tmp_path: Path
) -> None:
    texts = list(SET.dev.texts)
    finetune(replace(config, dropout=0.0, passes=1), LABELS, [SET], tmp_path / "none", seed=0)
    finetune(replace(config, passes=1), LABELS, [SET], tmp_path / "own", seed=0)
    settings = Path(config.encoder) / "config.json"
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **without}))
    finetune(replace(config, passes=1), LABELS, [SET], tmp_path / "in-config", seed=0)
    none, own, expected = (
        opened(tmp_path / name).scores(texts) for name in ("none", "own", "in-config")
    )
    assert none == pytest.approx(expected)
    assert own != pytest.approx(expected)


def test_a_stopped_run_goes_on_from_its_checkpoint(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.transformer.STEPS_A_CHECKPOINT", 20)
    losses = Losses(interrupted=30)
    monkeypatch.setattr("training.transformer.partial_label_losses", losses)
    folder = tmp_path / "teacher"
    with pytest.raises(KeyboardInterrupt):
        finetune(config, LABELS, [SET], folder, seed=0)
    assert [path.name for path in (folder / CHECKPOINTS).glob("*-*")] == ["checkpoint-20"]
    with pytest.raises(TrainingError, match=r"checkpoints learnt from other settings or data"):
        finetune(replace(config, batch_size=4), LABELS, [SET], folder, seed=0)
    fewer = replace(SET, train=SET.train.sample(90))
    with pytest.raises(TrainingError, match=r"checkpoints learnt from other settings or data"):
        finetune(config, LABELS, [fewer], folder, seed=0)
    finetune(config, LABELS, [SET], folder, seed=0)
    steps = 13 * config.passes  # of 8 rows of 100
    assert losses.steps == 30 + steps - 20
    ((_, figure),) = dev_accuracies(config, [SET], folder)
    assert figure.value > 0.9


class Losses:
    """The losses, with Ctrl-C at one step."""

    def __init__(self, interrupted: int) -> None:
        self.steps, self._interrupted = 0, interrupted

    def __call__(self, logits: Tensor, targets: Tensor, sayable: Tensor) -> Tensor:
        self.steps += 1
        if self.steps == self._interrupted:
            raise KeyboardInterrupt
        return partial_label_losses(logits, targets, sayable)


def test_a_finished_classifier_is_not_overwritten(config: FinetuneConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is a classifier already"):
        finetune(config, LABELS, [SET], Path(config.encoder), seed=0)


def test_what_cannot_be_learnt_from_is_named(config: FinetuneConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data set in 'fr' has train rows"):
        finetune(replace(config, language="fr"), LABELS, [SET], tmp_path / "t", seed=0)
    nowhere = replace(config, encoder=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"finetune: .*nowhere: "):
        finetune(nowhere, LABELS, [SET], tmp_path / "t", seed=0)


def test_the_extra_is_named_where_accelerate_is_missing(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ConfigError, match=r"finetune needs the extra `teachers` .*accelerate"):
        finetune(config, LABELS, [SET], tmp_path / "t", seed=0)
