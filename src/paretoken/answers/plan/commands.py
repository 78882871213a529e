"""What to run to get a fleet."""

from __future__ import annotations

from paretoken.catalog.loader import Catalog
from paretoken.plan.need import FleetNeed
from paretoken.plural import counted
from paretoken.predict.deployment import Deployment
from paretoken.predict.launch_commands import one_pool_command, pools_command


def start_commands(need: FleetNeed, catalog: Catalog) -> tuple[str, ...]:
    """The Kubernetes manifests of a fleet of one pool and one of its servers alone, or the commands of each pool."""
    d, least, most = need.candidate.deployment, min(need.replicas) + need.spares, max(need.replicas) + need.spares
    if not isinstance(d, Deployment):
        return (f"{pools_command(d, catalog)}  # {counted(most, 'replica')} of it",)
    count = ["--replicas", str(least)] + (["--max-replicas", str(most)] if most > least else [])
    return one_pool_command(d, "--print", "kubernetes", *count), one_pool_command(d, "--print", "docker")
