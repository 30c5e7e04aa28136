"""The clients of the protocols, as they come, against a real server process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import tritonclient.http as triton
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from tritonclient.utils import InferenceServerException

from tests.service.processes import Server

ENGLISH = "The room was spotless."
CHINESE = "味道很差,再也不来了。"
LABELS = ["negative", "neutral", "positive"]


@pytest.fixture(scope="module")
def address(models_dir: Path) -> Iterator[str]:
    server = Server(models_dir, "--models", "default,other")
    yield f"127.0.0.1:{server.port}"
    server.process.kill()
    server.process.communicate()


@pytest.fixture(scope="module")
def scores(address: str) -> dict[str, dict[str, float]]:
    """What POST /predict says of both texts."""
    inputs = {"inputs": [ENGLISH, CHINESE]}
    answer = httpx.post(f"http://{address}/predict", json=inputs, timeout=30).json()
    english, chinese = (prediction["scores"] for prediction in answer["predictions"])
    return {ENGLISH: english, CHINESE: chinese}


@pytest.fixture
def hub(address: str) -> InferenceClient:
    return InferenceClient(model=f"http://{address}")


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address) as client:
        yield client


def tensor(*texts: str, binary: bool = True, column: bool = False) -> Any:
    array = np.array([text.encode() for text in texts], dtype=np.object_)
    array = array.reshape(-1, 1) if column else array
    return triton.InferInput("text", list(array.shape), "BYTES").set_data_from_numpy(array, binary)


def as_rows(result: Any) -> list[dict[str, float]]:
    """The scores of a result, per text, as POST /predict gives them."""
    return [dict(zip(LABELS, row, strict=True)) for row in result.as_numpy("scores").tolist()]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_hugging_face_gets_the_scores_of_predict(
    hub: InferenceClient, scores: dict[str, dict[str, float]], text: str
) -> None:
    labels = hub.text_classification(text)
    assert [(item.label, item.score) for item in labels] == list(scores[text].items())


def test_hugging_face_gets_the_top_k(
    hub: InferenceClient, scores: dict[str, dict[str, float]]
) -> None:
    (best,) = hub.text_classification(ENGLISH, top_k=1)
    assert (best.label, best.score) == next(iter(scores[ENGLISH].items()))


def test_hugging_face_applies_softmax_or_none(hub: InferenceClient) -> None:
    default = hub.text_classification(ENGLISH)
    assert hub.text_classification(ENGLISH, function_to_apply="softmax") == default
    raw = hub.text_classification(ENGLISH, function_to_apply="none")
    assert [item.label for item in raw] == [item.label for item in default]
    assert sum(item.score for item in raw) != pytest.approx(1)


def test_hugging_face_shows_why_a_request_is_refused(hub: InferenceClient) -> None:
    with pytest.raises(HfHubHTTPError, match=r"parameters\.function_to_apply") as sigmoid:
        hub.text_classification(ENGLISH, function_to_apply="sigmoid")
    assert "use softmax or none" in str(sigmoid.value)
    with pytest.raises(HfHubHTTPError, match="the text is empty"):
        hub.text_classification("")


def test_triton_finds_the_server_and_its_models(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("default")
    assert client.is_model_ready("default", "1")
    assert not client.is_model_ready("default", "2")
    assert not client.is_model_ready("third")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    names = [model["name"] for model in client.get_model_repository_index()]
    assert names == ["default", "other"]


def test_triton_finds_the_tensors_of_a_model(client: Any) -> None:
    metadata = client.get_model_metadata("other", "1")
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "score", "scores"]
    assert metadata["outputs"][2]["shape"] == [-1, 3]
    assert metadata["outputs"][2]["parameters"]["labels"] == LABELS


@pytest.mark.parametrize("column", [False, True], ids=["N", "Nx1"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_triton_gets_the_scores_of_predict(
    client: Any, scores: dict[str, dict[str, float]], binary: bool, column: bool
) -> None:
    result = client.infer("default", [tensor(ENGLISH, CHINESE, binary=binary, column=column)])
    expected = [scores[ENGLISH], scores[CHINESE]]
    assert as_rows(result) == expected
    assert result.as_numpy("score").tolist() == [max(row.values()) for row in expected]
    labels = [label.decode() for label in result.as_numpy("label")]
    assert labels == [next(iter(row)) for row in expected]
    assert "binary_data_size" in result.get_output("score")["parameters"]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_triton_gets_the_outputs_it_asks_for(client: Any, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput(name, binary) for name in ("scores", "label")]
    result = client.infer("default", [tensor(ENGLISH)], outputs=wanted)
    response = result.get_response()
    assert [output["name"] for output in response["outputs"]] == ["scores", "label"]
    assert all(("data" in output) is not binary for output in response["outputs"])
    assert result.as_numpy("scores").shape == (1, 3)
    label = result.as_numpy("label").item()
    assert (label.decode() if binary else label) in LABELS
    assert result.as_numpy("score") is None


def test_triton_mixes_binary_and_json_outputs(client: Any) -> None:
    wanted = [
        triton.InferRequestedOutput("label"),
        triton.InferRequestedOutput("score", binary_data=False),
        triton.InferRequestedOutput("scores"),
    ]
    mixed = client.infer("default", [tensor(ENGLISH)], outputs=wanted)
    binary = client.infer("default", [tensor(ENGLISH)])
    for name in ("label", "score", "scores"):
        assert mixed.as_numpy(name).tolist() == binary.as_numpy(name).tolist()


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_triton_may_compress(
    client: Any, scores: dict[str, dict[str, float]], algorithm: str, binary: bool
) -> None:
    result = client.infer(
        "default",
        [tensor(CHINESE, binary=binary)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert as_rows(result) == [scores[CHINESE]]


def test_triton_names_model_version_and_request(client: Any) -> None:
    result = client.infer("other", [tensor(ENGLISH)], model_version="1", request_id="42")
    response = result.get_response()
    assert (response["model_name"], response["model_version"]) == ("other", "1")
    assert response["id"] == "42"
    assert as_rows(result) != as_rows(client.infer("default", [tensor(ENGLISH)]))


def test_triton_cuts_a_long_text_on_demand(client: Any) -> None:
    long = [tensor("the room " * 100)]
    with pytest.raises(InferenceServerException, match=r"text\.0: .* the limit is 64"):
        client.infer("default", long)
    assert client.infer("default", long, parameters={"truncate": True}).as_numpy("label").size == 1


def test_triton_infers_asynchronously(client: Any, scores: dict[str, dict[str, float]]) -> None:
    pending = client.async_infer("default", [tensor(ENGLISH)])
    assert as_rows(pending.get_result()) == [scores[ENGLISH]]


def test_triton_shows_why_a_request_is_refused(client: Any) -> None:
    with pytest.raises(InferenceServerException) as empty:
        client.infer("default", [tensor(ENGLISH, "")])
    assert str(empty.value) == "[422] text.1: the text is empty"
    with pytest.raises(InferenceServerException) as unknown:
        client.infer("third", [tensor(ENGLISH)])
    assert str(unknown.value).startswith("[404] model: there is no such model; available: default")
    with pytest.raises(InferenceServerException, match=r"\[404\] there is no such route"):
        client.get_inference_statistics("default")
