"""What is counted, by one process and by several that share their numbers."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.engine import Float32
from service.errors import STATUS
from service.logs import AccessLog
from service.metrics import Metrics, MetricsError, open_metrics_folder
from service.model import Model
from service.settings import Settings
from service.telemetry import Telemetry
from tests.service.fakes import FakeClock
from tests.service.serving import PATIENCE_S, Client, Server, wait_until

TEXT = "The room was spotless."
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Page:
    """A page of metrics, read as Prometheus would."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.types = {family.name: family.type for family in families}
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str) -> list[dict[str, str]]:
        return [sample.labels for sample in self._samples if sample.name == name]

    @property
    def predicted(self) -> float:
        """Requests to POST /predict, with whatever status."""
        return self.value("sentiment_request_seconds_count", route="/predict", method="POST")


def read_page(client: TestClient) -> Page:
    return Page(client.get("/metrics").text)


def fetch_page(server: Server) -> Page:
    """The page, from whichever process the connection goes to."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200
    page = answer.read().decode()
    connection.close()
    return Page(page)


def find_folder(pid: int) -> Path:
    """Where a process keeps its metrics."""
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return Path(next(link for link in links if "sentiment-metrics-" in link)).parent


async def predict_on_many_connections(server: Server, count: int) -> None:
    async def predict() -> None:
        async with asyncio.timeout(PATIENCE_S), Client(server.port) as client:
            assert (await client.predict(TEXT)).status == 200

    await asyncio.gather(*(predict() for _ in range(count)))


def wait_until_restarted(server: Server, restarts: int) -> Page:
    """The page once so many processes have taken another's place."""

    def find() -> Page | None:
        page = fetch_page(server)
        return page if page.value("sentiment_process_restarts_total") == restarts else None

    return wait_until(find, f"{restarts} restarts to be counted")


@pytest.fixture
def own_client(models: dict[str, Model]) -> Iterator[TestClient]:
    """A client of an application that nobody else has asked anything."""
    with TestClient(create_app(Settings(), models)) as client:
        yield client


@pytest.fixture
def server(models_dir: Path, tmp_path: Path) -> Iterator[Server]:
    with Server(models_dir, tmp_path / "log", processes=2) as server:
        wait_until(server.is_ready, "readiness")
        yield server


def test_requests_are_counted_by_route_method_and_status(own_client: TestClient) -> None:
    own_client.post("/predict", json={"inputs": TEXT})
    own_client.post("/predict", json={"inputs": ""})
    own_client.get("/predict")
    page = read_page(own_client)
    counted = page.labels("sentiment_request_seconds_count")
    assert [labels for labels in counted if labels["route"] == "/predict"] == [
        {"method": "POST", "route": "/predict", "status": "200"},
        {"method": "POST", "route": "/predict", "status": "422"},
        {"method": "GET", "route": "/predict", "status": "405"},
    ]
    assert page.predicted == 2


def test_what_clients_make_up_becomes_no_label(own_client: TestClient) -> None:
    for number in range(5):
        own_client.get(f"/nowhere/{number}")
        own_client.request(f"BREW{number}", "/predict")
        own_client.get(f"/v2/models/none{number}")
    page = read_page(own_client)
    counted = page.labels("sentiment_request_seconds_count")
    assert {(labels["method"], labels["route"]) for labels in counted} == {
        ("GET", "other"),
        ("other", "/predict"),
        ("GET", "/v2/models/{name}"),
    }


def test_times_below_a_millisecond_can_be_told_apart(own_client: TestClient) -> None:
    own_client.post("/predict", json={"inputs": TEXT})
    page = read_page(own_client)
    for name in ("request", "queue", "engine"):
        bounds = [float(labels["le"]) for labels in page.labels(f"sentiment_{name}_seconds_bucket")]
        assert len([bound for bound in bounds if bound < 0.001]) >= 3


def test_refusals_are_counted_by_reason(own_client: TestClient) -> None:
    own_client.post("/predict", content=b"{", headers={"content-type": "application/json"})
    own_client.post("/predict", json={"inputs": TEXT, "model": "none"})
    own_client.post("/predict", json={"inputs": [TEXT, "", " "]})
    page = read_page(own_client)
    assert page.value("sentiment_refusals_total", reason="malformed_body") == 1
    assert page.value("sentiment_refusals_total", reason="not_found") == 1
    assert page.value("sentiment_refusals_total") == 2
    assert page.value("sentiment_refused_texts_total", reason="invalid_input") == 2


def test_every_reason_of_refusal_is_there_from_the_start(own_client: TestClient) -> None:
    reasons = read_page(own_client).labels("sentiment_refusals_total")
    assert {labels["reason"] for labels in reasons} == {error.type for error in STATUS}


def test_texts_tokens_and_batches_are_counted_by_model(own_client: TestClient) -> None:
    answer = own_client.post("/predict", json={"inputs": [TEXT, "Good."], "model": "other"}).json()
    tokens = [prediction["tokens"] for prediction in answer["predictions"]]
    page = read_page(own_client)
    assert page.value("sentiment_texts_total", model="other") == 2
    assert page.value("sentiment_batch_texts_sum", model="other") == 2
    assert page.value("sentiment_tokens_total", model="other") == sum(tokens)
    assert page.value("sentiment_queue_seconds_count", model="other") == 1
    assert page.value("sentiment_texts_total", model="default") == 0


def test_a_run_is_measured_with_its_padding_and_its_failures() -> None:
    clock, metrics = FakeClock(), Metrics()

    def run(texts: Sequence[Sequence[int]]) -> Float32:
        clock.now_s += 0.25
        if len(texts) == 1:
            raise RuntimeError
        return np.zeros((len(texts), 3), dtype=np.float32)

    watched = Telemetry(metrics, AccessLog("none"), clock).watch_run("m", run)
    watched([[1, 2, 3, 4], [5]])
    with pytest.raises(RuntimeError):
        watched([[1]])
    page = Page(metrics.render("")[0].decode())
    assert page.value("sentiment_engine_seconds_sum", model="m") == 0.25
    assert page.value("sentiment_engine_seconds_count", model="m") == 1
    assert page.value("sentiment_tokens_total", model="m") == 5
    assert page.value("sentiment_padding_tokens_total", model="m") == 3
    assert page.value("sentiment_engine_failures_total", model="m") == 1


def test_the_models_and_their_queues_are_shown(own_client: TestClient) -> None:
    page = read_page(own_client)
    info = page.labels("sentiment_model_info")
    assert [labels["model"] for labels in info] == ["default", "other"]
    assert info[0]["provider"] == "CPUExecutionProvider"
    assert len(page.labels("sentiment_queue_tokens")) == 2
    assert len(page.labels("sentiment_queue_texts")) == 2


def test_the_page_comes_in_the_format_that_is_asked_for(own_client: TestClient) -> None:
    plain = own_client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    answer = own_client.get("/metrics", headers={"accept": OPENMETRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(answer.text)}
    assert {"sentiment_request_seconds", "sentiment_refusals"} <= names


def test_whichever_process_is_asked_answers_for_all(server: Server) -> None:
    asyncio.run(predict_on_many_connections(server, 40))
    pages = [fetch_page(server) for _ in range(8)]
    assert {page.predicted for page in pages} == {40}
    assert {page.value("sentiment_texts_total") for page in pages} == {40}
    assert {page.value("sentiment_processes") for page in pages} == {2}
    assert {len(page.labels("sentiment_model_info")) for page in pages} == {1}
    assert pages[0].types["sentiment_request_seconds"] == "histogram"
    assert pages[0].types["sentiment_queue_tokens"] == "gauge"


def test_counters_survive_the_process_that_counted(server: Server) -> None:
    asyncio.run(predict_on_many_connections(server, 40))
    folder = find_folder(server.children()[0])
    files = sorted(folder.iterdir())
    for restarts in (1, 2):
        victim = server.children()[0]
        os.kill(victim, signal.SIGKILL)
        server.wait_for_children(2, gone=victim)
        page = wait_until_restarted(server, restarts)
        assert page.predicted == 40
        assert page.value("sentiment_processes") == 2
        # However many processes come and go.
        wait_until(lambda: sorted(folder.iterdir()) == files, "the same files as before")
    asyncio.run(predict_on_many_connections(server, 20))
    assert fetch_page(server).predicted == 60


def test_nothing_is_left_when_the_server_has_stopped(server: Server) -> None:
    folder = find_folder(server.children()[0])
    assert folder.stat().st_mode & 0o077 == 0
    assert server.stop() == 0
    assert not folder.exists()


def test_what_a_killed_server_left_is_removed_by_the_next_and_nothing_else(
    server: Server, models_dir: Path, tmp_path: Path
) -> None:
    with Server(models_dir, tmp_path / "killed", processes=1) as killed:
        wait_until(killed.is_ready, "readiness")
        left = find_folder(killed.children()[0])
    assert left.exists()

    def sweep() -> bool:
        with open_metrics_folder():
            return not left.exists()

    wait_until(sweep, "the end of the killed server's folder")  # its processes may take a moment
    assert find_folder(server.children()[0]).exists()


def test_a_folder_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.metrics.MEMORY", Path("/proc"))
    with pytest.raises(MetricsError, match="no folder can be made"), open_metrics_folder():
        pass
