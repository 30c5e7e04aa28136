from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service import __version__
from service.app import create_app
from service.errors import BundleError
from service.model import Model
from service.settings import Settings
from tests.service.fakes import SECRET, BrokenEngine


def test_info_tells_version_model_and_limits(client: TestClient) -> None:
    info = client.get("/info").json()
    assert info["version"] == __version__
    assert info["model"]["name"] == "default"
    assert info["model"]["provider"] == "CPUExecutionProvider"
    assert info["limits"]["max_inputs"] == 1024
    assert info["limits"]["max_tokens"] == 64


def test_models_lists_each_model_the_default_first(client: TestClient) -> None:
    models = client.get("/models").json()["models"]
    assert [(model["name"], model["default"]) for model in models] == [
        ("default", True),
        ("other", False),
    ]
    assert models[0]["labels"] == ["negative", "neutral", "positive"]


def test_a_working_service_is_live_and_ready(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ok"}


def test_a_model_that_fails_is_live_but_not_ready(model: Model) -> None:
    broken = Model(model.bundle, model.tokenizer, BrokenEngine())
    with TestClient(create_app(Settings(), {"default": broken})) as client:
        assert client.get("/health/live").status_code == 200
        ready = client.get("/health/ready")
        predicted = client.post("/predict", json={"inputs": "good"})
    assert ready.status_code == predicted.status_code == 503
    assert ready.json()["error"]["type"] == "unavailable"
    assert SECRET not in ready.text + predicted.text


def test_an_app_without_a_bundle_does_not_start(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path)
    with (
        pytest.raises(BundleError, match="no such bundle folder"),
        TestClient(create_app(settings)),
    ):
        pass


def test_an_app_opens_the_bundles_of_its_settings(bundle_path: Path) -> None:
    settings = Settings(models_dir=bundle_path.parent)
    with TestClient(create_app(settings)) as client:
        assert client.post("/predict", json={"inputs": "good"}).status_code == 200
