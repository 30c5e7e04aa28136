"""Fixtures that every test can use: a tiny bundle, made once and opened once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from service.model import Model, open_model
from tests.tiny import make_bundle, train_tokenizer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the data sets of docs/data.md, in place of reviews of our own",
    )


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SENTIMENT_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def tokenizer_model() -> bytes:
    """The bytes of a tiny sentencepiece model."""
    return train_tokenizer()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory, tokenizer_model: bytes) -> Path:
    """A folder of two bundles, `default` and `other`; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    make_bundle(folder / "default", tokenizer_model)
    make_bundle(folder / "other", tokenizer_model, seed=1)
    return folder


@pytest.fixture
def bundle_path(models_dir: Path, tmp_path: Path) -> Path:
    """A copy of a good bundle, to be tampered with."""
    return shutil.copytree(models_dir / "default", tmp_path / "models" / "default")


@pytest.fixture(scope="session")
def models(models_dir: Path) -> dict[str, Model]:
    """Both bundles, open."""
    return {name: open_model(models_dir / name) for name in ("default", "other")}


@pytest.fixture(scope="session")
def model(models: dict[str, Model]) -> Model:
    """The bundle `default`, open."""
    return models["default"]


@pytest.fixture
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, as the server does."""
    return "asyncio"
