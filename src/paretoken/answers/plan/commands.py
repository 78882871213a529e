"""What to run to get a fleet."""

from __future__ import annotations

from math import ceil, sqrt

from paretoken.catalog.loader import Catalog
from paretoken.plan.need import FleetNeed
from paretoken.plural import counted
from paretoken.predict.deployment import Deployment
from paretoken.predict.launch_commands import one_pool_command, pools_command

TARGET = 0.8
"""The share of a server's most requests at which its autoscaler holds it."""


def start_commands(need: FleetNeed, users: float | None, catalog: Catalog, *, fixed: bool) -> tuple[str, ...]:
    """The Kubernetes manifests of a fleet of one pool and one of its servers alone, or the commands of each pool.

    `users` are the concurrent requests with which a replica just meets the limits, None where that is not known. A
    server takes more, for bursts; a fleet that is not `fixed` is scaled so that each has about as many.
    """
    d, least, most = need.candidate.deployment, min(need.replicas) + need.spares, max(need.replicas) + need.spares
    if not isinstance(d, Deployment):
        return (f"{pools_command(d, catalog)}  # {counted(most, 'replica')} of it",)
    limit = [] if users is None else ["--users", str(max(ceil((users + 2 * sqrt(users)) / TARGET), 1))]
    scale = [str(most)] if fixed or most == least else [str(least), "--max-replicas", str(most)]
    manifests = one_pool_command(d, *limit, "--print", "kubernetes", "--replicas", *scale)
    return manifests, one_pool_command(d, *limit, "--print", "docker")
