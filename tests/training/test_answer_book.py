from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from service.postprocess import Float64
from training.answer_book import AnswerBook
from training.distillation_config import TeacherConfig
from training.teachers import Teacher

LABELS = ("negative", "neutral", "positive")


class ByLength:
    """A classifier that goes by length, writes down what it is asked, and may break."""

    labels = ("negative", "positive")

    def __init__(self, name: str = "by length", breaks_at: str | None = None) -> None:
        self.name = self.identity = name
        self.asked: list[str] = []
        self._breaks_at = breaks_at

    def logits(self, texts: Sequence[str]) -> Float64:
        if self._breaks_at in texts:
            raise KeyboardInterrupt
        self.asked += texts
        return np.array([[len(text), -len(text)] for text in texts], dtype=np.float64)


def book(classifier: ByLength, folder: Path, weight: float = 1.0, **names: str) -> AnswerBook:
    config = TeacherConfig(bundle="by length", weight=weight, rename_labels=names)
    return AnswerBook(Teacher(classifier, config, LABELS), folder)


def test_a_text_is_asked_about_once(tmp_path: Path) -> None:
    classifier = ByLength()
    first = book(classifier, tmp_path).scores(["one", "three", "one"])
    assert first.tolist() == [[3, -np.inf, -3], [5, -np.inf, -5], [3, -np.inf, -3]]
    assert classifier.asked == ["one", "three"]
    again = book(classifier, tmp_path, weight=3).scores(["three", "好", "one"])
    assert again[:, 0].tolist() == [5, 1, 3]
    assert classifier.asked == ["one", "three", "好"]


def test_whoever_says_something_else_is_asked_again(tmp_path: Path) -> None:
    book(ByLength(), tmp_path).scores(["one"])
    other = ByLength("another")
    book(other, tmp_path).scores(["one"])
    assert other.asked == ["one"]
    turned = ByLength()
    found = book(turned, tmp_path, negative="positive", positive="negative").scores(["one"])
    assert turned.asked == ["one"]
    assert found[0].tolist() == [-3, -np.inf, 3]


def test_what_was_said_before_a_stop_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.teachers.TEXTS_A_CALL", 2)
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    with pytest.raises(KeyboardInterrupt):
        book(ByLength(breaks_at="eeeee"), tmp_path).scores(texts)
    classifier = ByLength()
    assert book(classifier, tmp_path).scores(texts)[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert classifier.asked == ["eeeee"]


def test_answers_are_saved_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.teachers.TEXTS_A_CALL", 1)
    monkeypatch.setattr("training.answer_book.SAVE_EVERY_S", 0.0)
    seen: list[int] = []

    class Watching(ByLength):
        def logits(self, texts: Sequence[str]) -> Float64:
            seen.append(len(list(tmp_path.glob("*.answers.pt"))))
            return super().logits(texts)

    book(Watching(), tmp_path).scores(["a", "bb"])
    assert seen == [0, 1]


def test_there_may_be_no_text(tmp_path: Path) -> None:
    assert book(ByLength(), tmp_path).scores([]).shape == (0, 3)
    assert not list(tmp_path.iterdir())
