"""The command that serves the configuration of an operating point, by the catalog's recipe of its engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.engines.recipes import CPU
from paretoken.engines.request import LaunchRequest, launch_command
from paretoken.errors import ParetokenError
from paretoken.receipts.recipe import ServerLaunch


def launch_of(point: Mapping[str, Any]) -> ServerLaunch:
    """The command for a point's labels; its basis is unknown where there is no recipe, or separate pools."""
    if point.get("disaggregated") or point.get("multinode"):
        return ServerLaunch(basis="unknown")
    request = LaunchRequest(
        engine=str(point.get("engine")),
        model=str(point.get("model")),
        accelerator=CPU if point.get("accelerator") in ("CPU", CPU) else str(point.get("accelerator")),
        precision=str(point.get("precision") or ""),
        gpus=int(point.get("tp") or point.get("n_gpus") or 1),
        ep=int(point.get("ep") or 1),
        dp_attention=bool(point.get("dp_attention")),
        workload=_workload(point),
        users=int(point["concurrency"]) if point.get("concurrency") else None,
    )
    try:
        made = launch_command(request)
    except ParetokenError:
        return ServerLaunch(basis="unknown")
    return ServerLaunch(
        basis="from the catalog's recipe",
        words=made.arguments,
        env=dict(made.env),
        files=dict(made.files),
        image=made.image or None,
        version=made.version or None,
    )


def _workload(point: Mapping[str, Any]) -> str | None:
    """The nominal lengths as a workload, None for sessions."""
    return None if point.get("workload") else f"{point['isl']}/{point['osl']}"


def other_version(launch: ServerLaunch, point: Mapping[str, Any]) -> str | None:
    """That the recipe is of another version than the point, None where it is of the same or nobody knows."""
    stated = point.get("engine_version")
    if launch.basis != "from the catalog's recipe" or not (stated and launch.version) or launch.version in str(stated):
        return None
    return f"whether the command, which is of version {launch.version}, fits {stated}"
