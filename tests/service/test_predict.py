from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.examples import PREDICT_EXAMPLES


def predict(client: TestClient, **body: object) -> Any:
    response = client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_one_text_has_one_prediction(client: TestClient) -> None:
    answer = predict(client, inputs="The room was spotless.")
    assert answer["model"] == "default"
    (prediction,) = answer["predictions"]
    assert set(prediction) == {"label", "score", "scores", "tokens", "truncated"}
    assert prediction["score"] == prediction["scores"][prediction["label"]]
    assert sum(prediction["scores"].values()) == pytest.approx(1)
    assert prediction["tokens"] > 0
    assert prediction["truncated"] is False


def test_many_texts_are_answered_in_order_and_as_if_alone(client: TestClient) -> None:
    texts = ["Great value!", "味道很差", "The parcel arrived on Tuesday.", "Great value!"]
    together = predict(client, inputs=texts)["predictions"]
    alone = [predict(client, inputs=text)["predictions"][0] for text in texts]
    assert together == alone


def test_scores_are_ranked_and_cut_to_top_k(client: TestClient) -> None:
    (every,) = predict(client, inputs="good")["predictions"]
    ranked = list(every["scores"].items())
    assert ranked == sorted(ranked, key=lambda pair: -pair[1])
    assert ranked[0] == (every["label"], every["score"])
    (best,) = predict(client, inputs="good", top_k=2)["predictions"]
    assert list(best["scores"].items()) == ranked[:2]


def test_top_k_beyond_the_labels_gives_them_all(client: TestClient) -> None:
    (prediction,) = predict(client, inputs="good", top_k=100)["predictions"]
    assert len(prediction["scores"]) == 3


def test_raw_scores_keep_the_label_and_are_no_probabilities(client: TestClient) -> None:
    (calibrated,) = predict(client, inputs="good")["predictions"]
    (raw,) = predict(client, inputs="good", raw_scores=True)["predictions"]
    assert raw["label"] == calibrated["label"]
    assert sum(raw["scores"].values()) != pytest.approx(1)


def test_a_long_text_is_cut_on_demand(client: TestClient) -> None:
    (cut,) = predict(client, inputs="the room " * 100, truncate=True)["predictions"]
    assert (cut["tokens"], cut["truncated"]) == (64, True)
    assert cut["original_tokens"] > 64


def test_two_megabytes_are_cut_on_demand(client: TestClient) -> None:
    (cut,) = predict(client, inputs="a " * 1_000_000, truncate=True)["predictions"]
    assert (cut["tokens"], cut["truncated"]) == (64, True)
    assert "original_tokens" not in cut


def test_a_request_names_its_model(client: TestClient) -> None:
    assert predict(client, inputs="good", model="other")["model"] == "other"


def test_a_bad_text_in_a_list_has_its_error_and_the_others_their_answers(
    client: TestClient,
) -> None:
    first, bad, last = predict(client, inputs=["good", "", "bad"])["predictions"]
    assert bad == {
        "error": {"type": "invalid_input", "message": "the text is empty", "param": "inputs.1"}
    }
    assert [first, last] == predict(client, inputs=["good", "bad"])["predictions"]


def test_server_timing_names_the_stages(client: TestClient) -> None:
    header = client.post("/predict", json={"inputs": "good"}).headers["server-timing"]
    assert [part.split(";")[0] for part in header.split(", ")] == [
        "tokenize",
        "queue",
        "infer",
        "total",
    ]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"],
)
def test_every_json_content_type_is_taken(client: TestClient, content_type: str) -> None:
    body = '{"inputs": "味道很好"}'.encode()
    response = client.post("/predict", content=body, headers={"content-type": content_type})
    assert response.status_code == 200


@pytest.mark.parametrize("name", PREDICT_EXAMPLES)
def test_the_examples_of_the_docs_work(client: TestClient, name: str) -> None:
    answer = predict(client, **PREDICT_EXAMPLES[name]["value"])
    assert all("label" in prediction for prediction in answer["predictions"])
