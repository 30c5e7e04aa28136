from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from service.model import Model
from tests.training.samples import data_set, reviews, write_bert
from training.errors import ConfigError
from training.evaluate import Served
from training.lexicons import PolarityPeer
from training.peers import answer_all, open_peers

POLAR = ("negative", "positive")
LABELS = ("negative", "neutral", "positive")


def by_number(language: str = "en", positive_from: float | None = 0.05) -> PolarityPeer:
    """Takes the text itself for the polarity."""
    return PolarityPeer("number", language, float, positive_from)


def test_two_way_the_sign_decides_and_0_is_positive() -> None:
    classify = by_number().ready(data_set("s", POLAR), POLAR)
    assert classify is not None
    assert classify(["-0.5", "-0.01", "0", "0.01", "1"]).predicted.tolist() == [0, 0, 1, 1, 1]


def test_three_way_what_is_near_0_is_neutral() -> None:
    classify = by_number().ready(data_set("s", LABELS), LABELS)
    assert classify is not None
    assert classify(["-0.5", "-0.05", "-0.04", "0", "0.04", "0.05"]).predicted.tolist() == [
        *(0, 0, 1, 1, 1, 2)
    ]


def test_a_package_without_neutral_answers_two_way_only() -> None:
    peer = by_number(positive_from=None)
    assert peer.ready(data_set("s", LABELS), LABELS) is None
    assert peer.ready(data_set("s", LABELS), POLAR) is not None


def test_texts_of_another_language_and_labels_of_ones_own_are_not_answered() -> None:
    assert by_number().ready(data_set("s", POLAR, language="zh"), POLAR) is None
    assert by_number().ready(data_set("s", POLAR, language="en"), POLAR) is not None
    assert by_number().ready(data_set("s", ("angry", "calm")), ("angry", "calm")) is None


@pytest.mark.parametrize(
    ("name", "language", "texts"),
    [
        ("vader", "en", ["A terrible, boring film.", "It is a table.", "A wonderful film!"]),
        ("textblob", "en", ["A terrible, boring film.", "It is a table.", "A wonderful film!"]),
        ("snownlp", "zh", ["质量太差了，很失望", "很好吃，非常满意"]),
    ],
)
def test_a_package_tells_good_from_bad(name: str, language: str, texts: list[str]) -> None:
    labels = LABELS if len(texts) == 3 else POLAR
    (peer,) = open_peers([name], [])
    classify = peer.ready(data_set("s", labels, language=language), labels)
    assert classify is not None
    assert classify(texts).predicted.tolist() == list(range(len(texts)))


def test_every_peer_answers_the_same_rows(model: Model) -> None:
    sets = [
        data_set("two", POLAR, reviews(60), reviews(10, 1)),
        data_set("three", LABELS, test=reviews(9, 2, LABELS)),
        data_set("none", POLAR, reviews(4)),
    ]
    peers = [Served(model), *open_peers(["vader", "tfidf"], sets)]
    found = answer_all(peers, sets, "test")
    assert [(one.title, one.rows, list(one.answered)) for one in found] == [
        ("two, two-way", 10, ["tiny", "vader", "tfidf"]),
        ("three, two-way", 6, ["tiny", "vader"]),
        ("three, 3-way", 9, ["tiny", "vader"]),
    ]
    for one in found:
        assert len({answered.rows for answered in one.answered.values()}) == 1
    assert found[0].answered["tfidf"].scores.accuracy.value == 1.0
    assert all(np.isfinite(one.answered["vader"].texts_per_s) for one in found)


def test_another_bundle_answers_as_it_would_be_served(model: Model, models_dir: Path) -> None:
    folder = str(models_dir / "default")
    sets = [data_set("three", LABELS, test=reviews(9, 2, LABELS))]
    (peer,) = open_peers([folder], sets)
    for one in answer_all([Served(model), peer], sets, "test"):
        ours, same = one.answered["tiny"].answers, one.answered[folder].answers
        assert ours.probabilities == pytest.approx(same.probabilities, abs=1e-6)


@pytest.fixture
def bert(tmp_path: Path) -> str:
    """A classifier whose labels stand in another order, and in capitals."""
    texts, labels = ["good", "bad"], ("POSITIVE", "NEGATIVE")
    return f"hf:{write_bert(tmp_path / 'bert', texts, labels, initializer_range=1.0)}"


def test_a_classifier_of_hugging_face_answers_among_the_labels_that_it_knows(bert: str) -> None:
    sets = [data_set("three", LABELS, test=reviews(9, 2, LABELS))]
    (peer,) = open_peers([bert], sets)
    assert peer.ready(sets[0], LABELS) is None
    classify, turned = peer.ready(sets[0], POLAR), peer.ready(sets[0], POLAR[::-1])
    assert classify is not None
    assert turned is not None
    found, other = classify(["good", "bad"]), turned(["good", "bad"])
    assert found.probabilities is not None
    assert other.probabilities is not None
    assert found.probabilities == pytest.approx(other.probabilities[:, ::-1])
    pipeline = pytest.importorskip("transformers").pipeline
    expected = pipeline("text-classification", bert.removeprefix("hf:"))(["good", "bad"])
    assert [POLAR[i].upper() for i in found.predicted] == [each["label"] for each in expected]
    assert found.probabilities.max(axis=1) == pytest.approx([each["score"] for each in expected])


def test_a_classifier_of_one_language_is_not_asked_about_another(bert: str) -> None:
    english, chinese, unnamed = (
        data_set("s", POLAR, language=language) for language in ("en", "zh", None)
    )
    (peer,) = open_peers([f"{bert}@en"], [english])
    assert peer.name == bert.removeprefix("hf:")
    assert peer.ready(english, POLAR) is not None
    assert peer.ready(unnamed, POLAR) is not None
    assert peer.ready(chinese, POLAR) is None


def test_a_classifier_with_other_labels_is_refused(bert: str, models_dir: Path) -> None:
    sets = [data_set("moods", ("angry", "calm"))]
    with pytest.raises(ConfigError, match=r"\['POSITIVE', 'NEGATIVE'\] .* \['angry', 'calm'\]"):
        open_peers([bert], sets)
    with pytest.raises(ConfigError, match=r"its labels \['negative', .* are not the rows'"):
        open_peers([str(models_dir / "default")], sets)


def test_a_classifier_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--against hf:.*nowhere: "):
        open_peers([f"hf:{tmp_path / 'nowhere'}"], [])


def test_two_peers_of_one_name_are_refused(model: Model) -> None:
    peers = [Served(model), PolarityPeer("tiny", "en", float)]
    with pytest.raises(ConfigError, match="two peers are named 'tiny'"):
        answer_all(peers, [data_set("s", POLAR, test=reviews(4))], "test")


def test_a_peer_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown peer 'bert'; known are vader, textblob"):
        open_peers(["bert"], [])


@pytest.mark.parametrize("name", ["tfidf", "minilm"])
def test_a_regression_without_train_rows_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} needs train rows: a run file, or --train FILE"):
        open_peers([name], [data_set("s", POLAR, test=reviews(4))])


def test_a_package_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "snownlp", None)
    with pytest.raises(ConfigError, match=r"needs the extra `peers` .*snownlp"):
        open_peers(["snownlp"], [])
