"""Every bad input has its 4xx, names the field and the limit, and harms no other request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

GOOD = "The room was spotless."
MEGABYTES_2 = "a " * 1_000_000


@pytest.fixture(autouse=True)
def _others_are_unharmed(client: TestClient) -> Iterator[None]:
    before = client.post("/predict", json={"inputs": GOOD})
    yield
    after = client.post("/predict", json={"inputs": GOOD})
    assert before.status_code == after.status_code == 200
    assert after.json() == before.json()
    assert client.get("/health/ready").status_code == 200


def post(client: TestClient, content: bytes, content_type: str = "application/json") -> Any:
    return client.post("/predict", content=content, headers={"content-type": content_type})


def error_of(response: Any, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error: dict[str, str] = response.json()["error"]
    assert set(error) <= {"type", "message", "param"}
    assert error["type"]
    assert error["message"]
    return error


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("", 422, "the text is empty"),
        ("   ", 422, "the text is blank"),
        ("\u3000\n\t", 422, "the text is blank"),
        ("\u200b", 422, "nothing readable"),
        ("a\0b", 422, "NUL character at position 1"),
        ("a\ud800", 422, "lone surrogate at position 1"),
        (MEGABYTES_2, 413, "has 2000000 characters, the limit is 131072"),
        ("the room " * 100, 413, "tokens, the limit is 64"),
    ],
    ids=["empty", "spaces", "white", "invisible", "nul", "surrogate", "2MB", "tokens"],
)
def test_a_bad_text_is_refused_alone_and_in_a_list(
    client: TestClient, text: str, status: int, message: str
) -> None:
    error = error_of(post(client, json.dumps({"inputs": text}).encode()), status)
    assert message in error["message"]
    assert error["param"] == "inputs"

    only_bad = error_of(post(client, json.dumps({"inputs": [text, ""]}).encode()), status)
    assert only_bad["param"] == "inputs.0"

    mixed = post(client, json.dumps({"inputs": [GOOD, text]}).encode())
    assert mixed.status_code == 200
    assert message in mixed.json()["predictions"][1]["error"]["message"]
    assert "label" in mixed.json()["predictions"][0]


def test_ten_thousand_inputs_are_refused_with_the_limit(client: TestClient) -> None:
    error = error_of(client.post("/predict", json={"inputs": [GOOD] * 10_000}), 413)
    assert "10000 texts, the limit is 1024" in error["message"]
    assert error["param"] == "inputs"


def test_an_empty_list_is_refused(client: TestClient) -> None:
    error = error_of(client.post("/predict", json={"inputs": []}), 422)
    assert error["param"] == "inputs"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "inputs"),
        ({"inputs": None}, "inputs"),
        ({"inputs": 5}, "inputs"),
        ({"inputs": {"text": "good"}}, "inputs"),
        ({"inputs": ["good", 5]}, "inputs.1"),
        ({"inputs": [["good"]]}, "inputs.0"),
        ({"inputs": "good", "top_k": 0}, "top_k"),
        ({"inputs": "good", "top_k": -1}, "top_k"),
        ({"inputs": "good", "top_k": "3"}, "top_k"),
        ({"inputs": "good", "top_k": 1.5}, "top_k"),
        ({"inputs": "good", "top_k": 10**30}, "top_k"),
        ({"inputs": "good", "top_k": float("nan")}, "top_k"),
        ({"inputs": "good", "top_k": float("inf")}, "top_k"),
        ({"inputs": "good", "raw_scores": "yes"}, "raw_scores"),
        ({"inputs": "good", "truncate": 1}, "truncate"),
        ({"inputs": "good", "model": 7}, "model"),
        ({"inputs": "good", "text": "good"}, "text"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(
    client: TestClient, body: dict[str, object], param: str
) -> None:
    assert error_of(post(client, json.dumps(body).encode()), 422)["param"] == param


def test_an_unknown_field_is_named_though_utf8_cannot_write_it(client: TestClient) -> None:
    error_of(post(client, json.dumps({"inputs": "good", "\ud800": 1}).encode()), 422)


def test_an_unknown_field_is_not_echoed_at_length(client: TestClient) -> None:
    error = error_of(client.post("/predict", json={"inputs": "good", "x" * 100_000: 1}), 422)
    assert len(error["param"]) <= 100


@pytest.mark.parametrize("content", [b"[]", b'"good"', b"5"])
def test_a_body_that_is_no_object_is_refused(client: TestClient, content: bytes) -> None:
    error_of(post(client, content), 422)


def test_null_is_refused(client: TestClient) -> None:
    assert post(client, b"null").status_code in (400, 422)  # FastAPI's releases differ


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"inputs": ',
        b"{'inputs': 'good'}",
        b'{"inputs": "\xff\xfe"}',
        b'{"inputs": "a\nb"}',
        b'{"inputs": ' + b"[" * 100_000,
        b'{"inputs": "good", "top_k": ' + b"1" * 10_000 + b"}",
    ],
    ids=["empty", "open", "half", "quotes", "not-utf8", "newline", "deep", "digits"],
)
def test_a_broken_body_is_malformed(client: TestClient, content: bytes) -> None:
    assert error_of(post(client, content), 400)["type"] == "malformed_body"


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", "", "a/b/c"],
)
def test_another_content_type_is_unsupported(client: TestClient, content_type: str) -> None:
    error = error_of(post(client, b'{"inputs": "good"}', content_type), 415)
    assert "application/json" in error["message"]


def test_a_missing_content_type_is_unsupported(client: TestClient) -> None:
    error_of(client.post("/predict", content=b'{"inputs": "good"}'), 415)


@pytest.mark.parametrize("name", ["gpt", "", "../default", "\ud800"])
def test_an_unknown_model_is_not_found(client: TestClient, name: str) -> None:
    body = json.dumps({"inputs": "good", "model": name}).encode()
    error = error_of(post(client, body), 404)
    assert error["param"] == "model"
    assert "default, other" in error["message"]


def test_a_body_beyond_the_limit_is_refused_by_its_header(client: TestClient) -> None:
    headers = {"content-type": "application/json", "content-length": str(10**12)}
    error = error_of(client.post("/predict", content=b"{}", headers=headers), 413)
    assert "8388608 bytes" in error["message"]


def test_a_body_beyond_the_limit_is_refused_as_it_streams(client: TestClient) -> None:
    chunks = (b"[" * 65_536 for _ in range(200))
    headers = {"content-type": "application/json"}
    error = error_of(client.post("/predict", content=chunks, headers=headers), 413)
    assert "8388608 bytes" in error["message"]


def test_an_unknown_route_has_the_one_schema(client: TestClient) -> None:
    assert error_of(client.get("/nothing"), 404)["type"] == "not_found"
    assert error_of(client.get("/docs/static/nothing.js"), 404)["type"] == "not_found"
    error_of(client.get("/docs/static/..%2f..%2fcore.py"), 404)


def test_a_wrong_method_says_which_are_right(client: TestClient) -> None:
    response = client.get("/predict")
    assert error_of(response, 405)["type"] == "method_not_allowed"
    assert response.headers["allow"] == "POST"
