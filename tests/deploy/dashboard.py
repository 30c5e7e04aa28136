"""What deploy/ holds, read: the dashboard's queries as Grafana would send them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
PROVISIONING = DEPLOY / "grafana" / "provisioning"


@dataclass(frozen=True)
class Query:
    """A query of a panel."""

    panel: str
    expression: str


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def read_dashboard() -> Any:
    return json.loads((DASHBOARDS / "sentiment.json").read_text())


def list_queries(interval: str = "1m") -> list[Query]:
    """Every query, with Grafana's variables filled in."""
    values = {"$__rate_interval": interval, "$__range": interval, "$model": ".*"}

    def fill_in(expression: str) -> str:
        for name, value in values.items():
            expression = expression.replace(name, value)
        return expression

    return [
        Query(panel["title"], fill_in(target["expr"]))
        for panel in read_dashboard()["panels"]
        for target in panel["targets"]
    ]
