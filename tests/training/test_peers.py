from __future__ import annotations

import sys

import numpy as np
import pytest

from service.model import Model
from tests.training.samples import data_set, reviews
from training.errors import ConfigError
from training.evaluate import Served
from training.peers import PolarityPeer, answer_all, open_peers

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
