from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.model import open_model
from service.postprocess import Float64
from tests.training.samples import (
    assert_same_bits,
    data_set,
    options,
    reviews,
    write_csv,
    write_project,
)
from training.checkpoint import load
from training.cli import app
from training.config import RunConfig, read_run
from training.distillation import ask, folds_of, without_fold
from training.distillation_config import TeacherConfig
from training.distributed import World
from training.errors import ConfigError, TrainingError
from training.evaluate import logits_of
from training.interrupt import Interrupted
from training.prepared import SoftLabels, prepare
from training.run import discard, restore, train
from training.teachers import Teacher
from training.teaching import teach

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
LABELS = ("negative", "neutral", "positive")
POLAR = ("negative", "positive")
TEXTS = ["fine", "gut", "好"]
LANGUAGES = ["en", None, "zh"]
ALL = np.ones(3, dtype=np.bool_)


class Monotone:
    """A classifier that says the same of every text."""

    def __init__(self, name: str, **probabilities: float) -> None:
        self.name = self.identity = name
        self.labels = list(probabilities)
        self._row = np.log(list(probabilities.values()))

    def logits(self, texts: Sequence[str]) -> Float64:
        return np.tile(self._row, (len(texts), 1))


def teacher(
    name: str,
    *,
    language: str | None = None,
    min_characters: int = 1,
    max_characters: int | None = None,
    weight: float = 1.0,
    **probabilities: float,
) -> Teacher:
    config = TeacherConfig(
        bundle=name,
        language=language,
        min_characters=min_characters,
        max_characters=max_characters,
        weight=weight,
    )
    return Teacher(Monotone(name, **probabilities), config, LABELS)


THREE_WAY = {"negative": 0.2, "neutral": 0.5, "positive": 0.3}


# Several teachers


def test_teachers_are_averaged_by_probability(tmp_path: Path) -> None:
    other = {"positive": 0.8, "negative": 0.1, "neutral": 0.1}
    log_p = ask(
        [teacher("one", **THREE_WAY), teacher("two", **other)], TEXTS, LANGUAGES, ALL, tmp_path
    )
    assert np.exp(log_p) == pytest.approx(np.tile([0.15, 0.3, 0.55], (3, 1)))


def test_teachers_of_other_labels_are_averaged_given_those_they_share(tmp_path: Path) -> None:
    two_way = teacher("two", negative=0.1, positive=0.9)
    log_p = ask([teacher("three", **THREE_WAY), two_way], TEXTS, LANGUAGES, ALL, tmp_path)
    assert np.exp(log_p) == pytest.approx(np.tile([0.25, 0.0, 0.75], (3, 1)))
    assert not np.isfinite(log_p[:, 1]).any()


def test_a_teacher_is_not_asked_about_texts_of_another_language(tmp_path: Path) -> None:
    english = teacher("english", language="en", negative=0.1, positive=0.9)
    log_p = ask([english], TEXTS, LANGUAGES, ALL, tmp_path)
    assert np.isfinite(log_p).tolist() == [[True, False, True]] * 2 + [[False] * 3]
    log_p = ask([english, teacher("all", **THREE_WAY)], TEXTS, LANGUAGES, ALL, tmp_path)
    assert np.exp(log_p[2]) == pytest.approx([0.2, 0.5, 0.3])
    assert np.exp(log_p[0]) == pytest.approx([0.25, 0.0, 0.75])


def test_a_teacher_is_not_asked_about_texts_that_are_too_long_for_it(tmp_path: Path) -> None:
    short = teacher("short", max_characters=3, negative=0.1, neutral=0.1, positive=0.8)
    log_p = ask(
        [short, teacher("all", **THREE_WAY)], ["good", "gut", "好"], LANGUAGES, ALL, tmp_path
    )
    assert np.exp(log_p[0]) == pytest.approx([0.2, 0.5, 0.3])
    assert np.exp(log_p[1:]) == pytest.approx(np.tile([0.15, 0.3, 0.55], (2, 1)))


def test_a_teacher_is_not_asked_about_texts_that_are_too_short_for_it(tmp_path: Path) -> None:
    long = teacher("long", min_characters=4, negative=0.1, neutral=0.1, positive=0.8)
    log_p = ask(
        [long, teacher("all", **THREE_WAY)], ["gut", "good", "好"], LANGUAGES, ALL, tmp_path
    )
    assert np.exp(log_p[1]) == pytest.approx([0.15, 0.3, 0.55])
    assert np.exp(log_p[[0, 2]]) == pytest.approx(np.tile([0.2, 0.5, 0.3], (2, 1)))


def test_teachers_are_averaged_by_their_weights(tmp_path: Path) -> None:
    heavy = teacher("heavy", weight=3, negative=0.6, neutral=0.1, positive=0.3)
    log_p = ask([teacher("all", **THREE_WAY), heavy], TEXTS, LANGUAGES, ALL, tmp_path)
    assert np.exp(log_p) == pytest.approx(np.tile([0.5, 0.2, 0.3], (3, 1)))


def test_no_teacher_is_asked_about_texts_that_are_not_wanted(tmp_path: Path) -> None:
    log_p = ask(
        [teacher("all", **THREE_WAY)], TEXTS, LANGUAGES, np.array([True, False, True]), tmp_path
    )
    assert np.isfinite(log_p).all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ([{"negative": 0.5, "neutral": 0.5}, {"neutral": 0.5, "positive": 0.5}], "b: shares fewer"),
        ([THREE_WAY, {"language": "fr", **THREE_WAY}], "b: no text is in its language"),
        ([THREE_WAY, {"max_characters": 1, **THREE_WAY}], "b: no text is .* max_characters"),
    ],
)
def test_teachers_that_cannot_teach_together_are_refused(
    teachers: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        ask(
            [teacher(name, **fields) for name, fields in zip("ab", teachers, strict=True)],
            ["fine", "gut", "ok"],
            ["en"] * 3,
            ALL,
            tmp_path,
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
[[unlabelled]]
file = "texts.tsv"
text_column = "review"
spans = 1
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
    assert set(open_model(tmp_path / "models" / "student").manifest.data) == {
        *("dev.csv", "texts.tsv")
    }
    card = (tmp_path / "models" / "student" / "MODEL_CARD.md").read_text(encoding="utf-8")
    read = "It also read texts without labels: texts.tsv, texts.tsv (runs of words)."
    assert f"{read} Taught by " in card


def soft_labels(run: RunConfig, folder: Path) -> SoftLabels:
    prepared = prepare(run, folder, folder / "run", ALONE)
    found = teach(run, prepared, folder / "run", ALONE).taught
    assert found is not None
    return found


def test_soft_labels_are_made_once_for_the_same_teachers_and_texts(
    student: Path, tmp_path: Path
) -> None:
    run = read_run(student)
    first = soft_labels(run, tmp_path)
    (path,) = (tmp_path / "run").glob("*.soft-labels.pt")
    assert torch.equal(load(path)["log_p"], torch.from_numpy(first.log_p))
    torch.save({"log_p": torch.zeros(2, 2)}, path)  # whoever asks the teacher again finds others
    assert soft_labels(run, tmp_path).log_p.shape == (2, 2)
    hotter = read_run(student, {"distillation.temperature": "5.0"})
    assert soft_labels(hotter, tmp_path).log_p.shape == (2, 2)
    other_rows_held_out = read_run(student, {"seed": "1"})
    assert soft_labels(other_rows_held_out, tmp_path).log_p.shape == first.log_p.shape
    with (tmp_path / "texts.tsv").open("a", encoding="utf-8") as file:
        file.write("\none more text")
    assert len(soft_labels(run, tmp_path).log_p) == len(first.log_p) + 1


def test_teachers_read_misspelt_texts_as_they_were(student: Path, tmp_path: Path) -> None:
    def taught(**source: float) -> SoftLabels:
        texts = {"file": "texts.tsv", "text_column": "review", **source}
        fields = ", ".join(f"{name} = {value!r}" for name, value in texts.items())
        return soft_labels(read_run(student, {"unlabelled": f"[{{{fields}}}]"}), tmp_path)

    plain, misspelt = taught(), taught(misspelt=1.0)
    assert np.array_equal(plain.log_p, misspelt.log_p)
    assert plain.digest != misspelt.digest


def test_weights_that_learnt_from_another_teacher_are_refused_before_it_is_asked(
    models_dir: Path, student: Path, tmp_path: Path
) -> None:
    run, folder = read_run(student, {"training.passes": "1"}), tmp_path / "run"
    weights = train(run, tmp_path, folder, ALONE).model.state_dict()
    assert_same_bits(train(run, tmp_path, folder, ALONE).model.state_dict(), weights)
    assert_same_bits(restore(run, tmp_path, folder, ALONE).model.state_dict(), weights)
    teachers = f"[{{bundle = '{models_dir / 'default'}', leave_out = ['neutral']}}]"
    other = read_run(student, {"training.passes": "1", "distillation.teachers": teachers})
    with pytest.raises(TrainingError, match="learnt from other teachers"):
        train(other, tmp_path, folder, ALONE)
    assert len(list(folder.glob("*.soft-labels.pt"))) == 1
    discard(folder)
    train(other, tmp_path, folder, ALONE)
    assert len(list(folder.glob("*.soft-labels.pt"))) == 2


def test_a_change_of_temperature_or_weight_is_another_run(student: Path, tmp_path: Path) -> None:
    train(read_run(student, {"training.passes": "1"}), tmp_path, tmp_path / "run", ALONE)
    for change in ({"distillation.temperature": "5.0"}, {"distillation.hard_weight": "0.1"}):
        run = read_run(student, {"training.passes": "1", **change})
        with pytest.raises(TrainingError, match="other settings"):
            train(run, tmp_path, tmp_path / "run", ALONE)


def test_a_label_that_nobody_teaches_is_refused(student: Path, tmp_path: Path) -> None:
    run = read_run(student, {"labels": "['negative', 'neutral', 'positive']"})
    with pytest.raises(ConfigError, match="neither a train row nor a teacher says 'neutral'"):
        soft_labels(run, tmp_path)


# Folds


def test_a_text_of_two_sets_lies_in_one_fold() -> None:
    rows = reviews(60)
    sets = [data_set("one", POLAR, rows), data_set("two", POLAR, rows[10:20])]
    parts = [without_fold(sets, number, folds=3, seed=0) for number in range(3)]
    assert (np.bincount(folds_of([text for text, _ in rows], folds=3, seed=0)) > 10).all()
    for one, two in parts:
        assert {*two.train.texts} == {*one.train.texts} & {text for text, _ in rows[10:20]}
    for text, _ in rows:
        assert sum(text in one.train.texts for one, _ in parts) == 2


@pytest.fixture
def by_folds(tmp_path: Path) -> Path:
    """A run whose own networks label 60 rows in three folds, and 20 unlabelled texts."""
    folds = """dev = "dev.csv"
[[unlabelled]]
file = "texts.csv"
text_column = "review"
[distillation]
folds = 3
"""
    write_csv(tmp_path / "dev.csv", reviews(20, seed=5))
    write_csv(tmp_path / "texts.csv", reviews(20, seed=6))
    return write_project(tmp_path, rows=60, data=folds)


def test_soft_labels_of_a_fold_come_from_a_network_that_has_not_seen_its_labels(
    by_folds: Path, tmp_path: Path
) -> None:
    """Turn the labels of one fold around: what is said of its rows stays, bit for bit."""
    run, rows = read_run(by_folds), reviews(60)
    before = soft_labels(run, tmp_path).log_p
    fold = folds_of([text for text, _ in rows], folds=3, seed=0)
    turned = [
        (text, POLAR[label == POLAR[0]] if number == 1 else label)
        for (text, label), number in zip(rows, fold, strict=True)
    ]
    write_csv(tmp_path / "train.csv", turned)
    after = soft_labels(run, tmp_path).log_p
    assert before.shape == after.shape == (60 + 20, 2)
    same = (before == after).all(axis=1)
    assert same[:60][fold == 1].all()
    assert not same[:60][fold != 1].any()
    assert not same[60:].any()  # what is said of unlabelled texts is the mean over the networks


@dataclass(frozen=True)
class StoppedWorld(World):
    """One process that is asked to stop when it has taken so many steps."""

    steps: Iterator[int] = field(kw_only=True)

    def any(self, value: bool) -> bool:
        return value or next(self.steps, None) is None


def test_labelling_by_folds_resumes_to_the_same_bits(by_folds: Path, tmp_path: Path) -> None:
    run, folder = read_run(by_folds), tmp_path / "stopped"
    prepared = prepare(run, tmp_path, folder, ALONE)
    stopped = StoppedWorld(0, 1, ALONE.device, steps=iter(range(50)))
    with pytest.raises(Interrupted):
        teach(run, prepared, folder, stopped)
    (networks,) = folder.glob("*.folds")
    assert sorted(path.name for path in networks.iterdir()) == ["fold-0", "fold-1"]
    resumed = teach(run, prepared, folder, ALONE).taught
    assert resumed is not None
    assert (resumed.log_p == soft_labels(run, tmp_path).log_p).all()
    assert not networks.exists()


def test_a_run_by_folds_trains_to_the_end(by_folds: Path, tmp_path: Path) -> None:
    app(["train", str(by_folds), *options(tmp_path)], standalone_mode=False)
    assert open_model(tmp_path / "models" / "tiny").manifest.run["distillation"]["folds"] == 3
