from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        (JSON, '{"inputs": ["The room was spotless.", "", "味道很差"]}'),
        ({**JSON, "X-Request-Timeout-Ms": "1000"}, '{"inputs": "good", "top_k": 1}'),
        ({**JSON, "X-Request-Timeout-Ms": "soon"}, '{"inputs": "good"}'),
        (JSON, '{"inputs": "good", "model": "no such"}'),
        (JSON, '{"inputs": 3}'),
        (JSON, '{"inputs": "good", "top_k": "3"}'),
        (JSON, '{"inputs": "\\ud800"}'),
        (JSON, '\ufeff{"inputs": "good"}'),
        (JSON, '{"inputs": "good"'),
        (JSON, ""),
        ({"Content-Type": "text/plain"}, "good"),
    ],
)
def test_the_shortcut_answers_as_the_framework_does(
    client: TestClient, headers: dict[str, str], content: str
) -> None:
    """A path with a prefix is no lean one, so the framework finds the route."""
    prefixed = TestClient(client.app, root_path="/behind/a/proxy")
    prefixed.app_state.update(client.app_state)
    short = client.post("/predict", headers=headers, content=content.encode())
    long = prefixed.post("/behind/a/proxy/predict", headers=headers, content=content.encode())
    assert (long.status_code, long.content) == (short.status_code, short.content)
    assert set(long.headers) == set(short.headers)


def test_another_method_is_refused_by_the_framework(client: TestClient) -> None:
    refused = client.get("/predict")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
