"""The shipped dashboards, and what Grafana would ask Prometheus for them."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
METRIC = re.compile(r"(?<![\w:\"$])([a-z_]\w*:?\w*)\{")
INTERVAL = "10s"


def dashboard(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def expressions(board: dict) -> list[str]:
    """Every PromQL expression, with Grafana's variables filled in."""
    raw = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [e.replace("$__rate_interval", INTERVAL).replace("$instance", ".*") for e in raw]


def metrics_in(expression: str) -> set[str]:
    """The names of the metrics of an expression."""
    return set(METRIC.findall(expression))
