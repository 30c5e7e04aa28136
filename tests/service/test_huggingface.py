"""POST / beyond what the client of test_clients.py sends."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.examples import CLASSIFY_EXAMPLES
from tests.service.test_bad_input import error_of

GOOD = "The room was spotless."


def classify(client: TestClient, **body: object) -> Any:
    response = client.post("/", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_each_text_has_its_list_in_order_and_as_if_alone(client: TestClient) -> None:
    texts = [GOOD, "味道很差", GOOD]
    together = classify(client, inputs=texts)
    assert together == [classify(client, inputs=text)[0] for text in texts]
    assert [set(item) for item in together[0]] == [{"label", "score"}] * 3


def test_the_scores_are_those_of_predict(client: TestClient) -> None:
    (labels,) = classify(client, inputs=GOOD)
    predicted = client.post("/predict", json={"inputs": GOOD}).json()["predictions"][0]["scores"]
    assert [(item["label"], item["score"]) for item in labels] == list(predicted.items())


def test_top_k_cuts_each_list(client: TestClient) -> None:
    answer = classify(client, inputs=[GOOD, GOOD], parameters={"top_k": 2})
    assert [len(labels) for labels in answer] == [2, 2]


def test_a_long_text_is_cut_on_demand(client: TestClient) -> None:
    (labels,) = classify(client, inputs="the room " * 100, parameters={"truncation": True})
    assert len(labels) == 3


@pytest.mark.parametrize(
    "extra",
    [
        {"parameters": None},
        {"parameters": {}},
        {"parameters": {"top_k": None, "function_to_apply": None, "truncation": None}},
        {"options": {"wait_for_model": True, "use_cache": False}},
    ],
)
def test_what_changes_nothing_is_taken(client: TestClient, extra: dict[str, object]) -> None:
    assert classify(client, inputs=GOOD, **extra) == classify(client, inputs=GOOD)


def test_server_timing_is_given(client: TestClient) -> None:
    assert "infer;dur=" in client.post("/", json={"inputs": GOOD}).headers["server-timing"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "inputs"),
        ({"inputs": ""}, 422, "inputs"),
        ({"inputs": [GOOD, ""]}, 422, "inputs.1"),
        ({"inputs": {"text": GOOD}}, 422, "inputs"),
        ({"inputs": "the room " * 100}, 413, "inputs"),
        ({"inputs": [GOOD] * 1025}, 413, "inputs"),
        ({"inputs": GOOD, "parameters": {"top_k": 0}}, 422, "parameters.top_k"),
        (
            {"inputs": GOOD, "parameters": {"function_to_apply": "sigmoid"}},
            422,
            "parameters.function_to_apply",
        ),
        (
            {"inputs": GOOD, "parameters": {"function_to_apply": "tanh"}},
            422,
            "parameters.function_to_apply",
        ),
        ({"inputs": GOOD, "parameters": {"truncation": "yes"}}, 422, "parameters.truncation"),
        ({"inputs": GOOD, "parameters": {"padding": True}}, 422, "parameters.padding"),
        ({"inputs": GOOD, "options": {"use_gpu": True}}, 422, "options.use_gpu"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_path(
    client: TestClient, body: dict[str, object], status: int, param: str
) -> None:
    assert error_of(client.post("/", json=body), status)["param"] == param


def test_another_content_type_is_unsupported(client: TestClient) -> None:
    error_of(client.post("/", content=b'{"inputs": "good"}'), 415)


def test_the_root_names_all_its_methods(client: TestClient) -> None:
    response = client.put("/")
    error_of(response, 405)
    assert response.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("name", CLASSIFY_EXAMPLES)
def test_the_examples_of_the_docs_work(client: TestClient, name: str) -> None:
    assert classify(client, **CLASSIFY_EXAMPLES[name]["value"])
