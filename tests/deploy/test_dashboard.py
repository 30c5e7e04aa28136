"""What deploy/ holds fits together, and what the service counts."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from service.metrics import Metrics
from tests.deploy.dashboard import (
    DASHBOARDS,
    DEPLOY,
    PROVISIONING,
    ROOT,
    list_queries,
    read_dashboard,
    read_yaml,
)

METRIC = re.compile(r"\bsentiment_\w+")
OBSERVERS = ("prometheus", "grafana")


def test_every_metric_of_the_dashboard_exists_and_every_metric_is_on_it() -> None:
    metrics = Metrics()
    metrics.model("default").note_run(texts=1, tokens=1, longest=1, seconds=1)
    metrics.note_model("default", "default", "1", "cpu")
    metrics.note_request("POST", "/predict", 200, 1)
    page = metrics.render("")[0].decode()
    families = [f for f in text_string_to_metric_families(page) if not f.name.endswith("_created")]
    exist = {sample.name for family in families for sample in family.samples}
    shown = {name for query in list_queries() for name in METRIC.findall(query.expression)}
    assert shown - exist == set()
    assert {f.name for f in families if not any(s.name in shown for s in f.samples)} == set()


def test_no_variable_of_a_query_is_left_over() -> None:
    assert [query for query in list_queries() if "$" in query.expression] == []


def test_panels_do_not_overlap_and_have_titles() -> None:
    panels = read_dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert panel["title"]
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    (source,) = read_yaml(PROVISIONING / "datasources" / "prometheus.yml")["datasources"]
    used = {
        target["datasource"]["uid"] for p in read_dashboard()["panels"] for target in p["targets"]
    }
    assert used == {source["uid"]}
    interval = read_yaml(DEPLOY / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_compose_starts_the_observers_only_when_asked_to() -> None:
    services = read_yaml(ROOT / "docker-compose.yml")["services"]
    assert [name for name, service in services.items() if not service.get("profiles")] == [
        "sentiment"
    ]
    for name in OBSERVERS:
        assert services[name]["profiles"] == ["observe"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])


def test_compose_gives_the_observers_what_they_read() -> None:
    compose = read_yaml(ROOT / "docker-compose.yml")
    mounts = [
        volume.split(":") for name in OBSERVERS for volume in compose["services"][name]["volumes"]
    ]
    inside = {source: target for source, target, *_ in mounts}
    for source in inside:
        assert source in compose["volumes"] or (ROOT / source).exists()
    (provider,) = read_yaml(PROVISIONING / "dashboards" / "sentiment.yml")["providers"]
    assert provider["options"]["path"] == inside[f"./{DASHBOARDS.relative_to(ROOT)}"]
    (job,) = read_yaml(DEPLOY / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["sentiment:8000"]}]
