"""The autoscaler of a server, and the custom metrics that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from paretoken.catalog.engine_files import engine_files
from paretoken.engines.command import Command
from paretoken.engines.kubernetes.text import Manifest, Quoted, labels
from paretoken.errors import BadConfig
from paretoken.plural import counted

QUIET_S = 600
"""How long the load must be low before the autoscaler removes a replica."""


def autoscaler(command: Command, least: int, most: int, requests: int, name: str) -> Manifest:
    """An autoscaler between `least` and `most` replicas, with a target of `requests` per replica, running and waiting.

    BadConfig for an engine without metrics of both.
    """
    _series(command)
    target: Manifest = {"type": "AverageValue", "averageValue": Quoted(requests)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels(name)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": _metric(command)}, "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": QUIET_S}},
        },
    }


def _metric(command: Command) -> str:
    """The name of the custom metric, which must be valid in a URL path."""
    return re.sub(r"\W", "_", command.engine.lower(), flags=re.ASCII) + "_requests_in_flight"


def _series(command: Command) -> tuple[str, str]:
    """The series of running and of waiting requests; BadConfig for an engine without both."""
    engine = engine_files().get(command.engine)
    names = engine.metrics.names if engine and engine.metrics else {}
    series = [names[figure][0].split("{")[0] for figure in ("running", "waiting") if names.get(figure)]
    if len(series) < 2:
        raise BadConfig(
            f"{command.name} states no metric of running and waiting requests to scale by; leave out --max-replicas"
        )
    return series[0], series[1]


def needs_of_autoscaler(command: Command, requests: int) -> Iterator[str]:
    """What the autoscaler needs in the cluster, and how it scales, as lines of a comment."""
    running, waiting = _series(command)
    query = " + ".join(f"sum({s}{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)" for s in (running, waiting))
    yield "- Prometheus that scrapes the pods, and prometheus-adapter with this rule of its custom metrics:"
    yield f'  - seriesQuery: \'{running}{{namespace!="",pod!=""}}\''
    yield "    resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}"
    yield f"    name: {{as: {_metric(command)}}}"
    yield f"    metricsQuery: '{query}'"
    yield f"The autoscaler adds a replica above {counted(requests, 'running or waiting request')} per replica."
    yield "Set --target-requests below the number of requests at which a replica still meets your SLO: a new replica"
    yield "serves only after it has loaded its weights."
