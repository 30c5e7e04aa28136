from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from service.errors import BundleError
from service.model import Model
from service.postprocess import Float64
from tests.training.samples import write_bert
from training.distillation_config import TeacherConfig
from training.errors import ConfigError
from training.evaluate import logits_of
from training.teachers import Teacher, open_teachers

CPU = torch.device("cpu")
LABELS = ("negative", "neutral", "positive")
POLAR = ("negative", "positive")
TEXTS = ["a lovely film", "rude and slow", "it arrived on tuesday", "", "很好 " * 80]


class Stars:
    """A classifier with labels of its own, sure of the first text's first and so on."""

    name = identity = "stars"
    labels = ("1 star", "2 stars", "3 stars", "Positive")

    def logits(self, texts: Sequence[str]) -> Float64:
        return np.log(np.array([[0.4, 0.3, 0.2, 0.1]] * len(texts)))


def stars(labels: Sequence[str] = LABELS, **fields: Any) -> Teacher:
    return Teacher(Stars(), TeacherConfig(bundle="stars", **fields), labels)


NAMES = {"1 star": "negative", "2 stars": "negative", "3 stars": "neutral"}


# Labels


def test_labels_are_inferred_by_name_and_those_of_one_meaning_add_up() -> None:
    found = softmax(stars(rename_labels=NAMES).scores(["a", "b"]), axis=1)
    assert found == pytest.approx(np.array([[0.7, 0.2, 0.1]] * 2))


def test_a_label_left_out_is_conditioned_away() -> None:
    teacher = stars(POLAR, rename_labels=NAMES, leave_out=("3 stars",))
    assert softmax(teacher.scores(["a"]), axis=1) == pytest.approx(np.array([[7 / 8, 1 / 8]]))


def test_a_label_of_the_run_that_a_teacher_lacks_is_never_said() -> None:
    teacher = stars(rename_labels=NAMES, leave_out=("3 stars",))
    assert teacher.says.tolist() == [True, False, True]
    assert np.isneginf(teacher.scores(["a"])).tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r"its label '1 star' is none of the run's \['negative'.*rename_labels"),
        ({"rename_labels": {"1 star": "bad"}}, "its label 'bad' is none of the run's"),
        ({"rename_labels": {"4 stars": "positive"}}, r"has no label '4 stars', but \['1 star'"),
        ({"leave_out": ("4 stars",)}, "has no label '4 stars'"),
        ({"leave_out": ("1 star", "2 stars", "3 stars")}, "says fewer than two of"),
    ],
)
def test_labels_that_map_to_nothing_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"teacher stars: .*{message}"):
        stars(**fields)


# Bundles


def test_a_bundle_answers_with_its_calibrated_probabilities(model: Model, models_dir: Path) -> None:
    config = TeacherConfig(bundle=str(models_dir / "default"))
    (teacher,) = open_teachers([config], LABELS[::-1], CPU)
    expected = model.probabilities(logits_of(model, TEXTS))[:, ::-1]
    assert softmax(teacher.scores(TEXTS), axis=1) == pytest.approx(expected)


def test_identities_tell_bundles_and_what_their_labels_mean_apart(models_dir: Path) -> None:
    turned = {"negative": "positive", "positive": "negative"}
    configs = [
        TeacherConfig(bundle=str(models_dir / "default")),
        TeacherConfig(bundle=str(models_dir / "other")),
        TeacherConfig(bundle=str(models_dir / "default"), rename_labels=turned),
        TeacherConfig(bundle=str(models_dir / "default"), language="en"),
    ]
    identities = [teacher.identity for teacher in open_teachers(configs, LABELS, CPU)]
    assert all(identities.count(identity) == 1 for identity in identities)
    (again,) = open_teachers(configs[:1], LABELS, CPU)
    assert again.identity == identities[0]


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere: no such bundle folder"):
        open_teachers([TeacherConfig(bundle=str(tmp_path / "nowhere"))], LABELS, CPU)


# Hugging Face transformers


@pytest.fixture
def transformer(tmp_path: Path) -> Path:
    """A folder with an untrained BERT and its head for two labels."""
    return write_bert(tmp_path / "bert", TEXTS, ("NEGATIVE", "POSITIVE"), initializer_range=1.0)


def open_transformer(folder: Path, **fields: Any) -> Teacher:
    config = TeacherConfig(hugging_face=str(folder), **fields)
    (teacher,) = open_teachers([config], LABELS, CPU)
    return teacher


def test_a_transformer_answers_each_text_as_alone(transformer: Path) -> None:
    teacher = open_transformer(transformer)
    assert teacher.says.tolist() == [True, False, True]
    together = teacher.scores(TEXTS * 20)
    assert len({tuple(row) for row in together.round(4).tolist()}) == len(TEXTS)
    alone = np.concatenate([teacher.scores([text]) for text in TEXTS])
    assert together == pytest.approx(np.tile(alone, (20, 1)), abs=1e-4)


def test_a_transformers_answers_are_those_of_its_pipeline(transformer: Path) -> None:
    import transformers

    pipeline = transformers.pipeline(
        "text-classification", model=str(transformer), top_k=None, device="cpu"
    )
    found = softmax(open_transformer(transformer).scores(TEXTS[:3]), axis=1)
    for row, answer in zip(found, pipeline(TEXTS[:3]), strict=True):
        scores = {each["label"]: each["score"] for each in answer}
        assert row == pytest.approx([scores["NEGATIVE"], 0.0, scores["POSITIVE"]], abs=1e-5)


def test_a_transformer_reads_of_a_text_what_it_may(transformer: Path) -> None:
    whole, cut = open_transformer(transformer), open_transformer(transformer, max_tokens=4)
    text = "the soup was great"
    assert len(text.split()) + 2 > 4  # [CLS] and [SEP] count too
    assert cut.scores([text]) == pytest.approx(cut.scores(["the soup"]))
    assert whole.scores([text]) != pytest.approx(whole.scores(["the soup"]))
    assert cut.key != whole.key


def test_a_transformer_with_other_weights_is_another_teacher(transformer: Path) -> None:
    import transformers

    before = open_transformer(transformer).identity
    assert open_transformer(transformer).identity == before
    model = transformers.AutoModelForSequenceClassification.from_pretrained(transformer)
    with torch.no_grad():
        model.classifier.bias += 1
    model.save_pretrained(transformer)
    assert open_transformer(transformer).identity != before


def test_a_transformer_without_a_trained_head_is_refused(transformer: Path) -> None:
    import transformers

    transformers.AutoModel.from_pretrained(transformer).save_pretrained(transformer)
    with pytest.raises(ConfigError, match=r"is no trained classifier, it lacks classifier\.bias"):
        open_transformer(transformer)


def test_a_transformer_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `teachers`")
    with pytest.raises(ConfigError, match=r"teacher .*nowhere: "):
        open_transformer(tmp_path / "nowhere")


def test_the_extra_is_named_where_transformers_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"needs the extra `teachers` .*transformers"):
        open_transformer(tmp_path)
