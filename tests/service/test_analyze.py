"""POST /analyze, by the real application."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.examples import ANALYZE_EXAMPLES
from service.model import Model
from service.settings import Settings

TEXT = "The room was spotless! 😀 Never again. 味道很好。"


def analyze(client: TestClient, **body: object) -> Any:
    response = client.post("/analyze", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def error_of(client: TestClient, status: int, **body: object) -> Any:
    response = client.post("/analyze", json=body)
    assert response.status_code == status, response.text
    return response.json()["error"]


def test_a_document_has_its_fields_and_no_others(client: TestClient) -> None:
    answer = analyze(client, inputs=TEXT)
    assert answer["model"] == "default"
    (document,) = answer["analyses"]
    assert set(document) == {
        "label",
        "score",
        "probabilities",
        "mixed",
        "tokens",
        "truncated",
        "sentences",
    }
    probabilities = document["probabilities"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert next(iter(probabilities)) == document["label"]
    assert document["score"] == probabilities["positive"] - probabilities["negative"]
    for sentence in document["sentences"]:
        assert set(sentence) == {"text", "offset", "length", "label", "score", "probabilities"}
        assert -1 <= sentence["score"] <= 1


def test_offsets_count_code_points(client: TestClient) -> None:
    (document,) = analyze(client, inputs=TEXT, explain=True)["analyses"]
    sentences = document["sentences"]
    assert [sentence["text"] for sentence in sentences] == [
        "The room was spotless! 😀 ",
        "Never again. ",
        "味道很好。",
    ]
    for part in [*sentences, *document["explanation"]["words"]]:
        assert TEXT[part["offset"] : part["offset"] + part["length"]] == part["text"]


def test_document_and_predict_agree(client: TestClient) -> None:
    (document,) = analyze(client, inputs=TEXT)["analyses"]
    (predicted,) = client.post("/predict", json={"inputs": TEXT}).json()["predictions"]
    assert document["probabilities"] == predicted["scores"]
    assert (document["label"], document["tokens"]) == (predicted["label"], predicted["tokens"])


def test_effects_and_remainder_add_up_to_the_score(client: TestClient) -> None:
    (document,) = analyze(client, inputs=TEXT, explain=True)["analyses"]
    explanation = document["explanation"]
    total = sum(word["effect"] for word in explanation["words"]) + explanation["remainder"]
    assert total == pytest.approx(document["score"])
    assert [word["text"] for word in explanation["words"]][:6] == [
        "The",
        "room",
        "was",
        "spotless",
        "!",
        "😀",
    ]


def test_many_documents_are_answered_in_order_and_as_if_alone(client: TestClient) -> None:
    texts = [TEXT, "Bad!", "味道很差", TEXT]
    together = analyze(client, inputs=texts, explain=True)["analyses"]
    alone = [analyze(client, inputs=text, explain=True)["analyses"][0] for text in texts]
    assert together == alone


def test_a_bad_text_has_its_error_in_its_place(client: TestClient) -> None:
    first, bad, last = analyze(client, inputs=["Good.", " ", "Bad."])["analyses"]
    assert bad == {
        "error": {"type": "invalid_input", "message": "the text is blank", "param": "inputs.1"}
    }
    assert [first, last] == analyze(client, inputs=["Good.", "Bad."])["analyses"]


def test_only_bad_texts_are_refused_with_the_first_error(client: TestClient) -> None:
    assert error_of(client, 422, inputs="")["param"] == "inputs"
    assert error_of(client, 422, inputs=["a\0", ""])["param"] == "inputs.0"
    assert error_of(client, 413, inputs=["good " * 100])["param"] == "inputs.0"


def test_a_long_text_is_cut_on_demand(client: TestClient) -> None:
    (document,) = analyze(client, inputs="Good room. " * 50, truncate=True)["analyses"]
    assert (document["tokens"], document["truncated"]) == (64, True)
    assert document["original_tokens"] > 64
    assert "".join(sentence["text"] for sentence in document["sentences"]) in "Good room. " * 50


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [5]}, "inputs.0"),
        ({"inputs": "good", "explain": "yes"}, "explain"),
        ({"inputs": "good", "explain": 1}, "explain"),
        ({"inputs": "good", "truncate": None}, "truncate"),
        ({"inputs": "good", "top_k": 1}, "top_k"),
        ({"inputs": "good", "model": 7}, "model"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(
    client: TestClient, body: dict[str, object], param: str
) -> None:
    assert error_of(client, 422, **body)["param"] == param


def test_limits_are_named(client: TestClient) -> None:
    assert "2000 texts, the limit is 1024" in error_of(client, 413, inputs=["a"] * 2000)["message"]
    assert "default, other" in error_of(client, 404, inputs="good", model="third")["message"]
    assert client.get("/info").json()["limits"]["explain_max_words"] == 256


def test_too_many_words_are_refused_with_the_limit(models: dict[str, Model]) -> None:
    with TestClient(create_app(Settings(explain_max_words=2), models)) as client:
        error = error_of(client, 413, inputs="the room was good", explain=True)
        assert "has 4 words, the limit for `explain` is 2" in error["message"]
        assert error["param"] == "inputs"
        assert analyze(client, inputs="the room was good")["analyses"]


def test_a_request_names_its_model(client: TestClient) -> None:
    assert analyze(client, inputs=TEXT, model="other")["model"] == "other"


def test_server_timing_names_the_stages(client: TestClient) -> None:
    header = client.post("/analyze", json={"inputs": TEXT}).headers["server-timing"]
    stages = [part.split(";")[0] for part in header.split(", ")]
    assert stages == ["tokenize", "queue", "infer", "total"]


def test_a_deadline_that_is_no_number_is_refused(client: TestClient) -> None:
    headers = {"X-Request-Timeout-Ms": "soon"}
    response = client.post("/analyze", json={"inputs": TEXT}, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "X-Request-Timeout-Ms"


def test_requests_are_counted_under_their_route(models: dict[str, Model]) -> None:
    with TestClient(create_app(Settings(), models)) as client:
        analyze(client, inputs=[TEXT, ""], explain=True)
        error_of(client, 422, inputs="")
        page = client.get("/metrics").text
    counts = [line for line in page.splitlines() if 'seconds_count{method="POST"' in line]
    assert sorted(line.split("{")[1] for line in counts) == [
        'method="POST",route="/analyze",status="200"} 1.0',
        'method="POST",route="/analyze",status="422"} 1.0',
    ]
    # As with /predict: a request without an answer is a refusal, and its text one refused too.
    assert 'sentiment_refused_texts_total{model="default",reason="invalid_input"} 2.0' in page


@pytest.mark.parametrize("name", ANALYZE_EXAMPLES)
def test_the_examples_of_the_docs_work(client: TestClient, name: str) -> None:
    answer = analyze(client, **ANALYZE_EXAMPLES[name]["value"])
    assert all("label" in document for document in answer["analyses"])


def test_the_page_has_examples_of_both_languages_and_every_error(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/analyze"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert {"english", "chinese"} <= set(examples)
    assert set(operation["responses"]) == {
        "200",
        *("400", "404", "408", "413", "415", "422", "429", "503", "504"),
    }
    answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert "explanation" in answers["chinese"]["value"]["analyses"][0]
