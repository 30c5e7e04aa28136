"""The log: which requests get a line, what stands in it, and what never does."""

from __future__ import annotations

import http.client
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.engine import CPU
from service.logs import AccessLog, JsonFormatter, TextFormatter
from service.model import Model
from service.records import RequestRecord, current_record
from service.settings import Settings
from tests.service.fakes import SECRET, BrokenEngine
from tests.service.serving import PATIENCE_S, Server, wait_until

RECORD = RequestRecord("abc", status=200, texts=2, tokens=9)
ACCESS_LOGGER = "service.logs"


@pytest.fixture
def answering(models: dict[str, Model]) -> Iterator[TestClient]:
    settings = Settings(access_log="all")
    with TestClient(create_app(settings, models), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    """What the service logs while a test runs, as JSON would show it."""
    collected: list[dict[str, Any]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(json.loads(self.format(record)))

    handler = Collector()
    handler.setFormatter(JsonFormatter())
    own = logging.getLogger("service")
    with caplog.at_level(logging.INFO, "service"):
        own.addHandler(handler)
        yield collected
        own.removeHandler(handler)


def write(access_log: AccessLog, status: int, path: str = "/predict") -> None:
    record = RequestRecord("abc", status=status)
    access_log.write(record, "POST", path, 0.00123)


def test_a_request_has_a_line_with_its_numbers(
    answering: TestClient, lines: list[dict[str, Any]]
) -> None:
    answer = answering.post("/predict", json={"inputs": ["Good.", "Bad.", ""]})
    (line,) = lines
    tokens = sum(item["tokens"] for item in answer.json()["predictions"] if "tokens" in item)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    assert (line["texts"], line["tokens"]) == (3, tokens)
    assert 0 < line["duration_ms"] < 60_000
    assert line["level"] == "info"


def test_a_refused_request_has_the_type_of_its_error(
    answering: TestClient, lines: list[dict[str, Any]]
) -> None:
    answering.post("/predict", json={"inputs": ""})
    assert (lines[0]["status"], lines[0]["error"]) == (422, "invalid_input")


def test_neither_texts_nor_queries_are_logged(
    answering: TestClient, lines: list[dict[str, Any]]
) -> None:
    answering.post(f"/predict?text={SECRET}", json={"inputs": SECRET})
    answering.post("/predict", json={SECRET: SECRET})
    answering.post("/predict", content=SECRET, headers={"content-type": "application/json"})
    assert [line["path"] for line in lines] == 3 * ["/predict"]
    assert SECRET not in json.dumps(lines)


def test_a_path_cannot_forge_a_line(answering: TestClient, lines: list[dict[str, Any]]) -> None:
    answering.get("/a%0Ab%1B[31m" + 500 * "c")
    assert "/a%0Ab%1B" in lines[0]["path"]
    assert len(lines[0]["path"]) < 250


@pytest.mark.parametrize("proposed", ["a", "8f6c-1/2:3", 128 * "x"])
def test_a_sane_request_id_is_kept(answering: TestClient, proposed: str) -> None:
    answer = answering.get("/info", headers={"x-request-id": proposed})
    assert answer.headers["x-request-id"] == proposed


@pytest.mark.parametrize("proposed", ["", "two words", 'quo"te', 129 * "x", "schön"])
def test_another_is_made_for_one_that_is_not(answering: TestClient, proposed: str) -> None:
    headers = {b"x-request-id": proposed.encode()}
    answers = [answering.get("/info", headers=headers) for _ in range(2)]
    made = {answer.headers["x-request-id"] for answer in answers}
    assert len(made) == 2
    assert all(len(name) == 32 and int(name, 16) for name in made)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/predict", 405), ("POST", "/predict", 415)],
)
def test_errors_bear_the_request_id(
    answering: TestClient, method: str, path: str, status: int
) -> None:
    answer = answering.request(method, path, headers={"x-request-id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "mine")


def test_a_defect_is_logged_under_its_request(
    models: dict[str, Model], lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("service.pipeline.Pipeline.predict", fail)
    with TestClient(create_app(Settings(), models), raise_server_exceptions=False) as client:
        answer = client.post("/predict", json={"inputs": SECRET}, headers={"x-request-id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine")
    defect, access = lines
    assert defect["request_id"] == access["request_id"] == "mine"
    assert (access["level"], access["error"]) == ("error", "internal_error")
    assert SECRET not in json.dumps(lines)


def test_a_batch_that_fails_is_no_single_request_s(
    model: Model, lines: list[dict[str, Any]]
) -> None:
    broken = Model(model.bundle, model.tokenizer, BrokenEngine())
    assert broken.engine.provider == CPU
    with TestClient(create_app(Settings(), {"default": broken})) as client:
        assert client.post("/predict", json={"inputs": "Good."}).status_code == 503
    batch, access = lines
    assert "request_id" not in batch
    assert access["error"] == "unavailable"


@pytest.mark.parametrize(
    ("logged", "statuses"), [("all", [200, 404, 503]), ("errors", [404, 503]), ("none", [])]
)
def test_which_requests_are_logged_is_a_setting(
    logged: Any, statuses: list[int], lines: list[dict[str, Any]]
) -> None:
    access_log = AccessLog(logged)
    for status in (200, 404, 503):
        write(access_log, status)
    assert [line["status"] for line in lines] == statuses


def test_a_line_for_people_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(TextFormatter("%(levelprefix)s %(message)s", use_colors=False))
    own = logging.getLogger(ACCESS_LOGGER)
    own.addHandler(handler)
    own.setLevel(logging.INFO)
    token = current_record.set(RECORD)
    try:
        AccessLog("all").write(RECORD, "POST", "/predict", 0.00123)
    finally:
        current_record.reset(token)
        own.removeHandler(handler)
        own.setLevel(logging.NOTSET)
    shown = capsys.readouterr().out
    assert shown == "INFO:     POST /predict 200, 1.23 ms, 2 texts, 9 tokens [abc]\n"


def test_json_shows_exceptions_in_one_line() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: wrong" in json.loads(line)["traceback"]
    assert json.loads(line)["time"].endswith("+00:00")


def test_a_server_that_logs_json_logs_nothing_else(models_dir: Path, tmp_path: Path) -> None:
    settings = {"processes": 2, "log_format": "json", "access_log": "all"}
    with Server(models_dir, tmp_path / "log", **settings) as server:
        wait_until(server.is_ready, "readiness")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        body = json.dumps({"inputs": SECRET})
        headers = {"content-type": "application/json", "x-request-id": "mine"}
        connection.request("POST", "/predict?text=secret", body, headers)
        assert connection.getresponse().read()
        connection.close()
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log.splitlines()]
    (access,) = [line for line in lines if line.get("request_id") == "mine"]
    assert (access["path"], access["status"]) == ("/predict", 200)
    assert access["tokens"] > 0
    assert SECRET not in server.log
    assert "text=" not in server.log
