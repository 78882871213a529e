"""What to run to get a fleet."""

from __future__ import annotations

from math import ceil, floor, sqrt

from paretoken.catalog.loader import Catalog
from paretoken.plan.need import FleetNeed
from paretoken.plural import counted
from paretoken.predict.deployment import Deployment
from paretoken.predict.launch_commands import one_pool_command, pools_command

TARGET = 0.85
"""Target of the autoscaler: a share of the concurrent requests with which a replica just meets the limits."""


def start_commands(need: FleetNeed, users: float | None, catalog: Catalog, *, fixed: bool) -> tuple[str, ...]:
    """For one pool, the Kubernetes manifests and the command of a single server; otherwise the commands of the pools.

    `users` are the concurrent requests with which a replica just meets the limits, None without a simulation. A server
    accepts at least two standard deviations of a Poisson number more, for bursts. A fleet that is not `fixed` is scaled
    to TARGET of `users` for each replica.
    """
    d, least, most = need.candidate.deployment, min(need.replicas) + need.spares, max(need.replicas) + need.spares
    if not isinstance(d, Deployment):
        return (f"{pools_command(d, catalog)}  # run {counted(most, 'replica')}",)
    limit, target = list[str](), list[str]()
    if users is not None:
        limit = ["--concurrency", str(max(ceil(users + 2 * sqrt(users)), 1))]
        target = ["--target-requests", str(max(floor(TARGET * users), 1))]
    scale = [str(most)] if fixed or most == least else [str(least), "--max-replicas", str(most), *target]
    manifests = one_pool_command(d, *limit, "--print", "kubernetes", "--replicas", *scale)
    return manifests, one_pool_command(d, *limit, "--print", "docker")
