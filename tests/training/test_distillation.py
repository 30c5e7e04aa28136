from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.bundle import BundleError
from service.model import open_model
from service.postprocess import Float64
from tests.training.samples import data_set, options, reviews, write_csv, write_project
from training.checkpoint import load
from training.cli import app
from training.config import RunConfig, read_run
from training.distillation import ask, folds_of, without_fold
from training.distillation_config import TeacherConfig
from training.distributed import World
from training.errors import ConfigError, TrainingError
from training.evaluate import logits_of
from training.run import Prepared, SoftLabels, discard, prepare, teach, train
from training.teachers import Teacher

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
LABELS = ("negative", "neutral", "positive")
POLAR = ("negative", "positive")
TEXTS = ["fine", "gut", "好"]
LANGUAGES = ["en", None, "zh"]


class Monotone:
    """A classifier that says the same of every text."""

    def __init__(self, name: str, **probabilities: float) -> None:
        self.name = self.identity = name
        self.labels = list(probabilities)
        self._row = np.log(list(probabilities.values()))

    def logits(self, texts: Sequence[str]) -> Float64:
        return np.tile(self._row, (len(texts), 1))


def teacher(name: str, *, language: str | None = None, **probabilities: float) -> Teacher:
    config = TeacherConfig(bundle=name, language=language)
    return Teacher(Monotone(name, **probabilities), config, LABELS)


THREE_WAY = {"negative": 0.2, "neutral": 0.5, "positive": 0.3}


# Several teachers


def test_teachers_are_averaged_by_probability() -> None:
    other = {"positive": 0.8, "negative": 0.1, "neutral": 0.1}
    log_p = ask([teacher("one", **THREE_WAY), teacher("two", **other)], TEXTS, LANGUAGES)
    assert np.exp(log_p) == pytest.approx(np.tile([0.15, 0.3, 0.55], (3, 1)))


def test_teachers_of_other_labels_are_averaged_given_those_they_share() -> None:
    two_way = teacher("two", negative=0.1, positive=0.9)
    log_p = ask([teacher("three", **THREE_WAY), two_way], TEXTS, LANGUAGES)
    assert np.exp(log_p) == pytest.approx(np.tile([0.25, 0.0, 0.75], (3, 1)))
    assert not np.isfinite(log_p[:, 1]).any()


def test_a_teacher_is_not_asked_about_texts_of_another_language() -> None:
    english = teacher("english", language="en", negative=0.1, positive=0.9)
    log_p = ask([english], TEXTS, LANGUAGES)
    assert np.isfinite(log_p).tolist() == [[True, False, True]] * 2 + [[False] * 3]
    log_p = ask([english, teacher("all", **THREE_WAY)], TEXTS, LANGUAGES)
    assert np.exp(log_p[2]) == pytest.approx([0.2, 0.5, 0.3])
    assert np.exp(log_p[0]) == pytest.approx([0.25, 0.0, 0.75])


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ([{"negative": 0.5, "neutral": 0.5}, {"neutral": 0.5, "positive": 0.5}], "b: shares fewer"),
        ([THREE_WAY, {"language": "fr", **THREE_WAY}], "b: no text is in 'fr'"),
    ],
)
def test_teachers_that_cannot_teach_together_are_refused(
    teachers: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ask(
            [teacher(name, **fields) for name, fields in zip("ab", teachers, strict=True)],
            TEXTS,
            ["en"] * 3,
        )


# A student


STUDENT = """
name = "student"
golden = ["the soup was great"]
labels = ["negative", "positive"]
[tokenizer]
vocab_size = 400
character_coverage = 1.0
[model]
embedding_size = 16
hidden_size = 16
[training]
passes = 6
batch_size = 8
learning_rate = 1e-2
[[data]]
name = "reviews"
dev = "dev.csv"
[[unlabelled]]
file = "texts.tsv"
text_column = "review"
[distillation]
[[distillation.teachers]]
bundle = {bundle}
rename_labels = {{negative = "positive", positive = "negative"}}
"""


@pytest.fixture
def student(project: Path, tmp_path: Path) -> Path:
    """A run file without labelled train rows, whose teacher says the opposite of what is so."""
    opposite = {"negative": "positive", "positive": "negative"}
    dev = [(text, opposite[label]) for text, label in reviews(30, seed=7)]
    write_csv(tmp_path / "dev.csv", dev, header=("text", "label"))
    texts = "\n".join(["review", *(text for text, _ in reviews(300, seed=8))])
    (tmp_path / "texts.tsv").write_text(texts, encoding="utf-8")
    run_file = tmp_path / "student.toml"
    bundle = repr(str(project / "models" / "tiny"))
    run_file.write_text(STUDENT.format(bundle=bundle), encoding="utf-8")
    return run_file


def test_a_student_learns_its_teachers_labels_from_texts_alone(
    project: Path, student: Path, tmp_path: Path
) -> None:
    app(["train", str(student), *options(tmp_path)], standalone_mode=False)
    texts = [text for text, _ in reviews(200, seed=9)]
    taught, learnt = (
        logits_of(open_model(path), texts).argmax(axis=1)
        for path in (project / "models" / "tiny", tmp_path / "models" / "student")
    )
    assert (learnt == 1 - taught).mean() > 0.95
