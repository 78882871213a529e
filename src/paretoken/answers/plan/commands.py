"""What to run to get a fleet."""

from __future__ import annotations

from math import ceil, floor, sqrt

from paretoken.catalog.loader import Catalog
from paretoken.plan.need import FleetNeed
from paretoken.plural import counted
from paretoken.predict.deployment import Deployment
from paretoken.predict.launch_commands import one_pool_command, pools_command

TARGET = 0.85
"""The share of the requests with which a replica just meets the limits at which its autoscaler holds it."""


def start_commands(need: FleetNeed, users: float | None, catalog: Catalog, *, fixed: bool) -> tuple[str, ...]:
    """The Kubernetes manifests of a fleet of one pool and one of its servers alone, or the commands of each pool.

    `users` are the concurrent requests with which a replica just meets the limits, None where that is not known. A
    server takes two deviations of a Poisson number more at once, for bursts; a fleet that is not `fixed` is scaled so
    that each has TARGET of them.
    """
    d, least, most = need.candidate.deployment, min(need.replicas) + need.spares, max(need.replicas) + need.spares
    if not isinstance(d, Deployment):
        return (f"{pools_command(d, catalog)}  # {counted(most, 'replica')} of it",)
    limit, target = list[str](), list[str]()
    if users is not None:
        limit = ["--users", str(max(ceil(users + 2 * sqrt(users)), 1))]
        target = ["--target-requests", str(max(floor(TARGET * users), 1))]
    scale = [str(most)] if fixed or most == least else [str(least), "--max-replicas", str(most), *target]
    manifests = one_pool_command(d, *limit, "--print", "kubernetes", "--replicas", *scale)
    return manifests, one_pool_command(d, *limit, "--print", "docker")
