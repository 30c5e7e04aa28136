"""Traces that a real server sends to a collector, and what is done without one."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.errors import SentimentError
from service.tracing import TracingError, check_tracing
from tests.live import find_free_port
from tests.service.fakes import SECRET
from tests.service.serving import ROOT, Server, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
UNTRACED_START = """
import sys
from fastapi.testclient import TestClient
from service.app import create_app
from service.model import open_model
from service.settings import Settings
from pathlib import Path

with TestClient(create_app(Settings(), {"default": open_model(Path(sys.argv[1]))})) as client:
    assert client.post("/predict", json={"inputs": "Good."}).status_code == 200
assert "opentelemetry.sdk" not in sys.modules  # the API alone is a part of FastAPI
assert "opentelemetry.exporter" not in sys.modules
"""
WITHOUT_OPENTELEMETRY = """
import sys
sys.modules["opentelemetry.exporter"] = None
from service.cli import main
sys.argv = ["sentiment", "serve", "--models-dir", sys.argv[1], "--port", "0"]
main()
"""


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.paths.add(self.path)
                collector.bodies.append(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def resources(self) -> list[dict[str, Any]]:
        return [attributes(spans.resource) for spans in self._resource_spans()]

    def spans(self) -> list[Any]:
        """Every span, in the order in which they began."""
        scopes = [scope for spans in self._resource_spans() for scope in spans.scope_spans]
        found = [span for scope in scopes for span in scope.spans]
        return sorted(found, key=lambda span: int(span.start_time_unix_nano))

    def _resource_spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [spans for request in requests for spans in request.resource_spans]


def attributes(described: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value"))
        for pair in described.attributes
    }


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def open_server(models_dir: Path, tmp_path: Path, endpoint: str, **settings: Any) -> Server:
    return Server(models_dir, tmp_path / "log", otlp_endpoint=endpoint, **settings)


def test_a_request_is_a_span_and_its_stages_are_children(
    models_dir: Path, tmp_path: Path, collector: Collector
) -> None:
    headers = {"traceparent": TRACEPARENT, "x-request-id": "mine"}
    with open_server(
        models_dir, tmp_path, collector.url, processes=2, log_format="json", access_log="all"
    ) as server:
        wait_until(server.is_ready, "readiness")
        answer = server.request("POST", f"/predict?q={SECRET[:4]}", {"inputs": SECRET}, headers)
        assert answer.status == 200
        assert server.stop() == 0  # which sends what has not been sent
        assert TRACE in server.log
    request, *stages = collector.spans()
    assert collector.paths == {"/v1/traces"}
    assert collector.resources()[0]["service.name"] == "sentiment"
    assert request.name == "POST /predict"
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    given = attributes(request)
    assert given["http.route"] == given["url.path"] == "/predict"
    assert (given["http.response.status_code"], given["sentiment.texts"]) == (200, 1)
    assert given["sentiment.tokens"] == answer.body["predictions"][0]["tokens"]
    assert given["sentiment.request_id"] == "mine"
    assert [stage.name for stage in stages] == ["tokenize", "queue", "infer"]
    assert {stage.parent_span_id for stage in stages} == {request.span_id}
    assert {stage.trace_id for stage in stages} == {request.trace_id}
    for before, after in pairwise(stages):
        assert before.end_time_unix_nano == after.start_time_unix_nano
    assert stages[-1].end_time_unix_nano <= request.end_time_unix_nano
    assert SECRET.encode() not in b"".join(collector.bodies)


def test_errors_are_spans_with_their_type_and_probes_are_none(
    models_dir: Path, tmp_path: Path, collector: Collector
) -> None:
    with open_server(models_dir, tmp_path, collector.url, processes=1) as server:
        wait_until(server.is_ready, "readiness")
        assert server.request("POST", "/predict", {}).status == 422
        assert server.stop() == 0
    (span,) = collector.spans()
    assert attributes(span)["error.type"] == "invalid_input"
    assert not span.parent_span_id


def test_a_trace_that_is_not_sampled_is_not_sent(
    models_dir: Path, tmp_path: Path, collector: Collector
) -> None:
    with open_server(models_dir, tmp_path, collector.url, processes=1) as server:
        wait_until(server.is_ready, "readiness")
        unsampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
        assert server.request("POST", "/predict", {"inputs": "Good."}, unsampled).status == 200
        assert server.stop() == 0
    assert collector.spans() == []


def test_opentelemetry_s_own_variable_is_enough(
    models_dir: Path, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mood")
    with Server(models_dir, tmp_path / "log", processes=1) as server:
        assert server.predict("Good.").status == 200
        assert server.stop() == 0
    assert len(collector.spans()) == 4
    assert collector.resources()[0]["service.name"] == "mood"


def test_the_framework_s_own_telemetry_is_off_whatever_the_environment_says(
    models_dir: Path, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with Server(models_dir, tmp_path / "log", processes=1) as server:
        answer = server.request("POST", f"/predict?text={SECRET[:4]}", {"inputs": [SECRET, 1]})
        assert answer.status == 422
        assert server.stop() == 0
    assert collector.paths == {"/v1/traces"}
    assert len(collector.spans()) == 1
    assert SECRET[:4].encode() not in b"".join(collector.bodies)


def test_a_collector_that_is_gone_harms_nobody(models_dir: Path, tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{find_free_port()}"
    with open_server(models_dir, tmp_path, gone, processes=1) as server:
        assert server.predict("Good.").status == 200
        assert server.stop() == 0
        assert not re.search("silent|killed", server.log)


def test_without_a_collector_nothing_of_it_is_imported(models_dir: Path) -> None:
    command = [sys.executable, "-c", UNTRACED_START, str(models_dir / "default")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_server_that_cannot_trace_as_configured_says_what_to_install(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIMENT_OTLP_ENDPOINT", "http://127.0.0.1:1")
    command = [sys.executable, "-c", WITHOUT_OPENTELEMETRY, str(models_dir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "install sentiment-service[otel]" in done.stderr
    assert "Traceback" not in done.stderr


def test_tracing_that_is_not_configured_or_disabled_needs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert issubclass(TracingError, SentimentError)
    check_tracing("")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    check_tracing("http://127.0.0.1:1")
