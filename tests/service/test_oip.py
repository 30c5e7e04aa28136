"""The Open Inference Protocol beyond what the client of test_clients.py sends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.examples import INFER_EXAMPLES
from service.model import Model
from service.settings import Settings
from tests.service.fakes import SECRET, BrokenEngine

GOOD = "The room was spotless."
INFER = "/v2/models/default/infer"
JSON = {"content-type": "application/json"}


def text(*texts: object, **changes: object) -> dict[str, object]:
    """The input tensor, with some fields changed; None leaves one out."""
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
    return {key: value for key, value in (tensor | changes).items() if value is not None}


def infer(client: TestClient, *inputs: dict[str, object], **body: object) -> Any:
    response = client.post(INFER, json={"inputs": list(inputs), **body})
    assert response.status_code == 200, response.text
    return response.json()


def error_of(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert isinstance(error, str)
    return error


def post_binary(client: TestClient, head: dict[str, Any], tail: bytes, **headers: str) -> Any:
    content = json.dumps(head).encode()
    length = {"inference-header-content-length": str(len(content))}
    return client.post(INFER, content=content + tail, headers=length | headers)


def binary_text(size: int, shape: int = 1) -> dict[str, object]:
    return text(shape=[shape], data=None, parameters={"binary_data_size": size})


def test_all_outputs_are_json_when_none_is_named(client: TestClient) -> None:
    answer = infer(client, text(GOOD, "味道很差"), id="42")
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("default", "1", "42")
    label, score, scores = answer["outputs"]
    assert (label["name"], label["datatype"], label["shape"]) == ("label", "BYTES", [2])
    assert (score["name"], score["datatype"], score["shape"]) == ("score", "FP64", [2])
    assert (scores["name"], scores["datatype"], scores["shape"]) == ("scores", "FP64", [2, 3])
    rows = [scores["data"][:3], scores["data"][3:]]
    assert score["data"] == [max(row) for row in rows]


def test_the_scores_are_those_of_predict(client: TestClient) -> None:
    predicted = client.post("/predict", json={"inputs": GOOD}).json()["predictions"][0]["scores"]
    wanted = [{"name": "scores"}]
    (scores,) = infer(client, text(GOOD), outputs=wanted)["outputs"]
    assert scores["data"] == [predicted[name] for name in ("negative", "neutral", "positive")]


@pytest.mark.parametrize(
    "tensor",
    [
        text([GOOD], shape=[1, 1]),
        text(GOOD, shape=[1, 1]),
        text([GOOD], shape=[1]),
        text(GOOD, shape=[1.0]),
        text(GOOD, parameters={}),
    ],
)
def test_a_column_is_the_same_as_a_row(client: TestClient, tensor: dict[str, object]) -> None:
    assert infer(client, tensor) == infer(client, text(GOOD))


def test_raw_scores_are_no_probabilities(client: TestClient) -> None:
    answer = infer(client, text(GOOD), parameters={"raw_scores": True})
    assert sum(answer["outputs"][2]["data"]) != pytest.approx(1)


def test_what_says_nothing_is_taken(client: TestClient) -> None:
    nothing = {"id": None, "parameters": None, "outputs": None, "model_name": "default"}
    assert infer(client, text(GOOD), **nothing) == infer(client, text(GOOD))


def test_server_timing_is_given(client: TestClient) -> None:
    response = client.post(INFER, json={"inputs": [text(GOOD)]})
    assert "infer;dur=" in response.headers["server-timing"]


def test_a_body_without_a_content_type_is_json(client: TestClient) -> None:
    content = json.dumps({"inputs": [text(GOOD)]})
    assert client.post(INFER, content=content).json() == infer(client, text(GOOD))


def test_binary_outputs_follow_the_json(client: TestClient) -> None:
    wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "score"}]
    response = client.post(INFER, json={"inputs": [text(GOOD)], "outputs": wanted})
    assert response.headers["content-type"] == "application/octet-stream"
    size = int(response.headers["inference-header-content-length"])
    label, score = json.loads(response.content[:size])["outputs"]
    tail = response.content[size:]
    assert label["parameters"] == {"binary_data_size": len(tail)}
    assert "data" not in label
    assert "parameters" not in score
    assert tail[:4] == (len(tail) - 4).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "inputs: Field required"),
        ({"inputs": []}, 422, "inputs: "),
        ({"inputs": [text(GOOD), text(GOOD)]}, 422, "inputs: "),
        ({"inputs": [text(GOOD, name="input")]}, 422, "inputs.0.name: Input should be 'text'"),
        ({"inputs": [text(GOOD, datatype="FP32")]}, 422, "inputs.0.datatype: "),
        ({"inputs": [text(GOOD, shape=None)]}, 422, "inputs.0.shape: Field required"),
        ({"inputs": [text(GOOD, shape=[])]}, 422, "inputs.0.shape: "),
        ({"inputs": [text(GOOD, shape=[-1])]}, 422, "inputs.0.shape.0: "),
        ({"inputs": [text(GOOD, shape=[0])]}, 422, "inputs.0.shape.0: "),
        ({"inputs": [text(GOOD, shape=[2**64])]}, 422, "inputs.0.shape.0: "),
        ({"inputs": [text(GOOD, shape=[1, 2])]}, 422, "must be [N] or [N, 1]"),
        ({"inputs": [text(GOOD, shape=[1, 1, 1])]}, 422, "inputs.0.shape: "),
        ({"inputs": [text(GOOD, shape=[2])]}, 422, "is of 2 texts, the data holds 1"),
        ({"inputs": [text(GOOD, data=None)]}, 422, "either data or binary_data_size"),
        ({"inputs": [text(GOOD, data="good")]}, 422, "inputs.0.data: must be a list of texts"),
        ({"inputs": [text(GOOD, 5)]}, 422, "inputs.0.data.1: must be a text"),
        ({"inputs": [text(GOOD, [5])]}, 422, "inputs.0.data.1.0: must be a text"),
        ({"inputs": [text(["a", "b"])]}, 422, "inputs.0.data.0: must be a text"),
        ({"inputs": [text(GOOD, parameters={"shared_memory_region": "x"})]}, 422, "no such field"),
        ({"inputs": [text(GOOD)], "model_name": "other"}, 422, "model_name: is not the model in"),
        ({"inputs": [text(GOOD)], "parameters": {"priority": 1}}, 422, "parameters.priority: "),
        ({"inputs": [text(GOOD)], "outputs": [{"name": "logits"}]}, 422, "outputs.0.name: "),
        ({"inputs": [text(GOOD)], "outputs": [{"name": "label"}] * 4}, 422, "outputs: "),
        ({"inputs": [text(GOOD, "")]}, 422, "text.1: the text is empty"),
        ({"inputs": [text("the room " * 100)]}, 413, "text.0: the text has"),
        ({"inputs": [text(*[GOOD] * 1025)]}, 413, "inputs: the request has 1025 texts"),
        ([], 422, "the body must be a JSON object"),
    ],
)
def test_a_bad_request_is_refused_in_one_line(
    client: TestClient, body: object, status: int, message: str
) -> None:
    assert message in error_of(client.post(INFER, json=body), status)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"inputs": "\xff"}', b'{"inputs": ' + b"[" * 100_000, b'{"id": "\\ud800"}'],
    ids=["empty", "open", "not-utf8", "deep", "surrogate"],
)
def test_a_broken_body_is_malformed(client: TestClient, content: bytes) -> None:
    assert "is not JSON" in error_of(client.post(INFER, content=content, headers=JSON), 400)


@pytest.mark.parametrize(
    ("tensor", "tail", "status", "message"),
    [
        (binary_text(5), b"\x01\0\0\0", 400, "binary_data_size is 5, 4 bytes follow"),
        (binary_text(0), b"\x01\0\0\0a", 400, "binary_data_size is 0, 5 bytes follow"),
        (text(GOOD), b"\x01\0\0\0a", 400, "binary_data_size is 0, 5 bytes follow"),
        (binary_text(5), b"\x02\0\0\0a", 400, "ends after 1 of the 2 bytes"),
        (binary_text(5), b"\x01\0\0\0\xff", 422, "text.0: the text is not UTF-8"),
        (binary_text(5, shape=2), b"\x01\0\0\0a", 422, "is of 2 texts, the data holds 1"),
        (binary_text(0), b"", 422, "is of 1 texts, the data holds 0"),
        (text(GOOD, parameters={"binary_data_size": 5}), b"\x01\0\0\0a", 422, "either data or"),
    ],
)
def test_bad_binary_data_is_refused(
    client: TestClient, tensor: dict[str, object], tail: bytes, status: int, message: str
) -> None:
    assert message in error_of(post_binary(client, {"inputs": [tensor]}, tail), status)


@pytest.mark.parametrize(("length", "status"), [("1000000", 400), ("-1", 422), ("x", 422)])
def test_a_wrong_length_of_the_json_is_refused(
    client: TestClient, length: str, status: int
) -> None:
    body = {"inputs": [text(GOOD)]}
    response = client.post(INFER, json=body, headers={"inference-header-content-length": length})
    assert "inference-header-content-length" in error_of(response, status).lower()


def test_binary_data_without_its_header_is_malformed(client: TestClient) -> None:
    response = client.post(INFER, json={"inputs": [binary_text(5)]})
    assert "Inference-Header-Content-Length" in error_of(response, 400)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_unsupported(client: TestClient, content_type: str) -> None:
    response = client.post(INFER, content=b"{}", headers={"content-type": content_type})
    assert "application/octet-stream" in error_of(response, 415)


def test_another_content_encoding_is_unsupported(client: TestClient) -> None:
    response = client.post(INFER, content=b"{}", headers={"content-encoding": "br"})
    assert "gzip, deflate or none" in error_of(response, 415)


def test_a_bomb_is_refused_at_the_limit_of_a_body(client: TestClient) -> None:
    bomb = gzip.compress(b" " * 9_000_000)
    response = client.post(INFER, content=bomb, headers={"content-encoding": "gzip"})
    assert "8388608 bytes" in error_of(response, 413)


def test_a_body_beyond_the_limit_is_refused(client: TestClient) -> None:
    response = client.post(INFER, content=b" " * 9_000_000)
    assert "8388608 bytes" in error_of(response, 413)


@pytest.mark.parametrize("path", ["", "/ready", "/versions/1", "/versions/1/ready"])
def test_an_unknown_model_is_not_found(client: TestClient, path: str) -> None:
    error = error_of(client.get(f"/v2/models/third{path}"), 404)
    assert error == "model: there is no such model; available: default, other"


@pytest.mark.parametrize("path", ["", "/ready"])
def test_an_unknown_version_is_not_found(client: TestClient, path: str) -> None:
    error = error_of(client.get(f"/v2/models/default/versions/2{path}"), 404)
    assert error == "version: there is no such version of the model; available: 1"


def test_an_unknown_version_does_not_infer(client: TestClient) -> None:
    body = {"inputs": [text(GOOD)]}
    assert client.post("/v2/models/default/versions/1/infer", json=body).status_code == 200
    error_of(client.post("/v2/models/default/versions/2/infer", json=body), 404)


def test_health_says_so_in_json(client: TestClient) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    ready = {"name": "other", "ready": True}
    assert client.get("/v2/models/other/ready").json() == ready
    assert client.get("/v2/models/other/versions/1/ready").json() == ready


@pytest.fixture
def failing(model: Model) -> Iterator[TestClient]:
    broken = Model(model.bundle, model.tokenizer, BrokenEngine())
    with TestClient(create_app(Settings(), {"default": broken})) as client:
        yield client


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/default/ready"])
def test_a_model_that_fails_is_not_ready(failing: TestClient, path: str) -> None:
    assert "does not answer" in error_of(failing.get(path), 503)
    assert failing.get("/v2/health/live").status_code == 200


def test_a_model_that_fails_does_not_quote_the_text(failing: TestClient) -> None:
    assert SECRET not in error_of(failing.post(INFER, json={"inputs": [text(GOOD)]}), 503)


def test_the_frameworks_errors_have_the_shape_of_the_protocol(client: TestClient) -> None:
    assert "no such route" in error_of(client.get("/v2/nothing"), 404)
    wrong = client.delete("/v2/models/default")
    assert "method" in error_of(wrong, 405)
    assert wrong.headers["allow"] == "GET"


def test_errors_have_the_shape_of_the_protocol_behind_a_proxy(models: dict[str, Model]) -> None:
    with TestClient(create_app(Settings(), models), root_path="/sentiment") as client:
        error_of(client.get("/v2/models/third"), 404)
        error_of(client.get("/sentiment/v2/models/third"), 404)


def test_another_route_that_begins_like_the_protocols_keeps_the_one_schema(
    client: TestClient,
) -> None:
    assert client.get("/v2things").json()["error"]["type"] == "not_found"


@pytest.mark.parametrize("name", INFER_EXAMPLES)
def test_the_examples_of_the_docs_work(client: TestClient, name: str) -> None:
    assert client.post(INFER, json=INFER_EXAMPLES[name]["value"]).status_code == 200
