"""What POST /analyze says with the shipped model is so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.examples import ANALYZE_EXAMPLES, ANALYZED_EXAMPLES
from service.settings import Settings
from tests.contract.reviews import NEGATIVE, POSITIVE

EXPLAINED_AS_LABELLED = 0.9
MOVED_MORE = 0.9


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(workers=1))) as client:
        yield client


@pytest.fixture(scope="module")
def documents(client: TestClient) -> list[dict[str, Any]]:
    """The explained analysis of each review, the positive ones first."""
    body = {"inputs": [*POSITIVE, *NEGATIVE], "explain": True}
    analyses: list[dict[str, Any]] = client.post("/analyze", json=body).json()["analyses"]
    return analyses


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
    client: TestClient, documents: list[dict[str, Any]]
) -> None:
    texts, chooser = [*POSITIVE, *NEGATIVE], random.Random(0)
    ranked = [words_of(document) for document in documents]
    whole = scores_of(client, texts)
    tops = [remove(text, words[0]) for text, words in zip(texts, ranked, strict=True)]
    others = [
        remove(text, chooser.choice(words[1:])) for text, words in zip(texts, ranked, strict=True)
    ]
    by_top = abs(whole - scores_of(client, tops))
    by_other = abs(whole - scores_of(client, others))
    assert by_top.mean() > 2 * by_other.mean()
    assert (by_top > by_other).mean() >= MOVED_MORE


def test_the_top_word_speaks_for_the_label(documents: list[dict[str, Any]]) -> None:
    signs = [1] * len(POSITIVE) + [-1] * len(NEGATIVE)
    agree = [
        sign * words_of(document)[0]["effect"] > 0
        for sign, document in zip(signs, documents, strict=True)
    ]
    assert np.mean(agree) >= EXPLAINED_AS_LABELLED


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
