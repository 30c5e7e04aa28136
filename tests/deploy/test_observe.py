"""Prometheus itself scrapes a real server of several processes, and answers the dashboard."""

from __future__ import annotations

import http.client
import json
import math
import os
import shutil
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dashboard import DEPLOY, Query, list_queries, read_yaml
from tests.live import find_free_port
from tests.service.serving import PATIENCE_S, Server, wait_until

pytestmark = [
    pytest.mark.observe,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="no program `prometheus` here (Debian: apt-get install prometheus)",
    ),
]

SCRAPE_INTERVAL = "200ms"
RATE_INTERVAL = "30s"
QUERIES = list_queries(RATE_INTERVAL)
TEXTS = ["The room was spotless.", "味道很好。", "Never again, not even for free.", ""]


class Prometheus:
    """Debian's program with the project's configuration, but for address and interval."""

    def __init__(self, folder: Path, target: str) -> None:
        configuration = read_yaml(DEPLOY / "prometheus.yml")
        configuration["global"]["scrape_interval"] = SCRAPE_INTERVAL
        configuration["global"]["scrape_timeout"] = SCRAPE_INTERVAL
        configuration["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self.port = find_free_port()
        self._log = folder / "log"
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("/api/v1/targets")["activeTargets"]
        return found

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that a query gives now; AssertionError when it is wrong."""
        encoded = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = self._ask(f"/api/v1/query?{encoded}")["result"]
        return found

    def values(self, expression: str) -> list[float]:
        return [float(series["value"][1]) for series in self.query(expression)]

    def _ask(self, path: str) -> Any:
        status, content = self._get(path)
        assert status == 200, content
        return json.loads(content)["data"]

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        result = answer.status, answer.read()
        connection.close()
        return result


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    with Server(models_dir, folder / "log", processes=2, models="default,other") as server:
        wait_until(server.is_ready, "readiness")
        yield server


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, once it has seen requests of every kind, refusals and a restart."""
    ask_everything(server)  # a rate needs what it counts to be there before
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{server.port}")
    try:
        wait_until(prometheus.is_ready, "Prometheus")
        wait_until(lambda: prometheus.values("sentiment_processes") == [2.0], "the first scrape")
        victim = server.children()[0]
        os.kill(victim, signal.SIGKILL)
        server.wait_for_children(2, gone=victim)
        wait_until(server.is_ready, "readiness")
        for _ in range(3):
            ask_everything(server)
            time.sleep(0.5)  # so that scrapes lie between
        wait_until(lambda: counts_agree(server, prometheus), "the last scrape")
        yield prometheus
    finally:
        prometheus.stop()


def ask_everything(server: Server) -> None:
    for model in ("default", "other"):
        body = {"inputs": TEXTS, "model": model}
        assert server.request("POST", "/predict", body).status == 200
    assert server.request("POST", "/predict", {"inputs": ""}).status == 422
    assert server.request("GET", "/nowhere").status == 404
    assert server.request("GET", "/info").status == 200


def counts_agree(server: Server, prometheus: Prometheus) -> bool:
    return prometheus.values('sum(sentiment_request_seconds_count{route="/predict"})') == [12.0]


def test_the_scrape_succeeds(prometheus: Prometheus) -> None:
    (target,) = prometheus.targets()
    assert (target["health"], target["lastError"]) == ("up", "")
    assert target["labels"]["job"] == "sentiment"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.panel.replace(" ", "-"))
def test_a_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, query: Query) -> None:
    values = prometheus.values(query.expression)
    assert values, query.expression
    assert all(math.isfinite(value) and value >= 0 for value in values), values


def test_the_dashboard_s_variable_lists_the_models(prometheus: Prometheus) -> None:
    series = prometheus.query("sentiment_model_info")
    assert sorted(entry["metric"]["model"] for entry in series) == ["default", "other"]


def test_no_counter_goes_backwards_though_a_process_is_replaced(prometheus: Prometheus) -> None:
    counters = prometheus.query(
        'group by (__name__) ({__name__=~"sentiment_.*(total|count|bucket)"})'
    )
    names = [series["metric"]["__name__"] for series in counters]
    assert len(names) >= 12
    assert [name for name in names if prometheus.query(f"resets({name}[10m]) > 0")] == []
    assert prometheus.values("sentiment_process_restarts_total") == [1.0]


def test_the_shares_are_shares(prometheus: Prometheus) -> None:
    shares = [query for query in QUERIES if query.panel in ("Padding", "Failed")]
    assert len(shares) == 2
    for query in shares:
        assert all(0 <= value <= 1 for value in prometheus.values(query.expression))


def test_prometheus_finds_nothing_to_improve(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read()
    connection.close()
    for command in (["check", "metrics"], ["check", "config", str(DEPLOY / "prometheus.yml")]):
        done = subprocess.run(["promtool", *command], input=page, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
