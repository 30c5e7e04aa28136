"""What POST /analyze says with the shipped model is so.

On reviews of our own; with `--data FOLDER` on real test sets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.examples import ANALYZE_EXAMPLES, ANALYZED_EXAMPLES
from service.settings import Settings
from tests.contract.reviews import OWN, TEST_SETS, Reviews, open_reviews

# Of test sets the labels are noisier, and the model errs more often.
EXPLAINED_AS_LABELLED = {OWN: 0.9, **dict.fromkeys(TEST_SETS, 0.75)}
MOVED_MORE = 0.9
DOCUMENTS = 20  # a request


@dataclass(frozen=True)
class Explained:
    """Reviews, and the explained analysis of each."""

    reviews: Reviews
    documents: list[dict[str, Any]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "explained" in metafunc.fixturenames:
        names = TEST_SETS if metafunc.config.getoption("data") else [OWN]
        metafunc.parametrize("explained", names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(workers=1))) as client:
        yield client


@pytest.fixture(scope="module")
def explained(client: TestClient, request: pytest.FixtureRequest) -> Explained:
    reviews = open_reviews(request.param, request.config.getoption("data"))
    documents: list[dict[str, Any]] = []
    for start in range(0, len(reviews.texts), DOCUMENTS):
        body = {"inputs": reviews.texts[start : start + DOCUMENTS], "explain": True}
        documents += client.post("/analyze", json=body).json()["analyses"]
    return Explained(reviews, documents)


def words_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """A document's words, the one with the largest effect first."""
    words: list[dict[str, Any]] = document["explanation"]["words"]
    return sorted(words, key=lambda word: -abs(word["effect"]))


def remove(text: str, word: dict[str, Any]) -> str:
    """The text as a reader would leave the word out."""
    return text[: word["offset"]] + text[word["offset"] + word["length"] :]


def scores_of(client: TestClient, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    predictions = client.post("/predict", json={"inputs": texts}).json()["predictions"]
    scores = [item["scores"]["positive"] - item["scores"]["negative"] for item in predictions]
    return np.array(scores)


def round_all(value: Any) -> Any:
    if isinstance(value, float):
        return pytest.approx(value, abs=1e-3)
    if isinstance(value, dict):
        return {key: round_all(item) for key, item in value.items()}
    return [round_all(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ANALYZED_EXAMPLES)
def test_the_examples_of_the_page_are_true(client: TestClient, name: str) -> None:
    answer = client.post("/analyze", json=ANALYZE_EXAMPLES[name]["value"]).json()
    assert answer == round_all(ANALYZED_EXAMPLES[name]["value"])


def test_removing_the_top_word_moves_the_score_more_than_removing_a_random_one(
    client: TestClient, explained: Explained
) -> None:
    chooser = random.Random(0)
    pairs = zip(explained.reviews.texts, map(words_of, explained.documents), strict=True)
    ranked = [(text, words) for text, words in pairs if len(words) > 1]
    assert len(ranked) > 0.9 * len(explained.documents)
    whole = scores_of(client, [text for text, _ in ranked])
    tops = scores_of(client, [remove(text, words[0]) for text, words in ranked])
    others = scores_of(client, [remove(text, chooser.choice(words[1:])) for text, words in ranked])
    by_top, by_other = abs(whole - tops), abs(whole - others)
    assert by_top.mean() > 2 * by_other.mean()
    assert (by_top > by_other).mean() >= MOVED_MORE


def test_the_top_word_speaks_for_the_label(explained: Explained) -> None:
    reviews = explained.reviews
    agree = [
        sign * words_of(document)[0]["effect"] > 0
        for sign, document in zip(reviews.signs, explained.documents, strict=True)
    ]
    assert np.mean(agree) >= EXPLAINED_AS_LABELLED[reviews.name]


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("The staff were wonderful. The breakfast was awful.", True),
        ("屏幕很漂亮，声音也好。用了两天就坏了，太失望了。", True),
        ("Great sound and a lovely design. The battery died after two days.", True),
        ("The staff were wonderful. The breakfast was delicious.", False),
        ("菜很难吃。服务也差。", False),
    ],
)
def test_praise_and_complaint_in_one_text_are_mixed(
    client: TestClient, text: str, mixed: bool
) -> None:
    (document,) = client.post("/analyze", json={"inputs": text}).json()["analyses"]
    assert document["mixed"] is mixed
