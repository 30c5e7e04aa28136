from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.model import Model
from service.settings import Settings


@pytest.fixture(scope="module")
def client(models: dict[str, Model]) -> Iterator[TestClient]:
    """A client of the whole application over both tiny models."""
    with TestClient(create_app(Settings(workers=2), models)) as client:
        yield client
