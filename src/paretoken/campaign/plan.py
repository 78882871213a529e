"""From cells to jobs in an order, with their time and room; pure but for the free disk asked of the system."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from paretoken.bench.plan import Closed, Load, Open
from paretoken.bench.workload.arrivals import Ramp
from paretoken.bench.workload.ladder import parse_rates, parse_until, parse_users
from paretoken.campaign.config import Campaign
from paretoken.campaign.estimate import Estimate, Simulated
from paretoken.campaign.feasible import obstacle
from paretoken.campaign.matrix import Cell, Serving, cells
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, CannotWrite

MB_PER_POINT = 64
"""Room to keep for one point: about 5 million output tokens at the 12 bytes that journal and table take together."""


@dataclass(frozen=True, slots=True)
class Job:
    """One server, started once, and the cells that are measured on it. `number` counts from 1 in the order run."""

    number: int
    serving: Serving
    workloads: tuple[str, ...]
    repeat: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(Cell(self.serving, w) for w in self.workloads)

    @property
    def slug(self) -> str:
        again = f"-r{self.repeat}" if self.repeat > 1 else ""
        return f"{self.number:04d}-{self.serving.slug}{again}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, in order, and what cannot, with the reason. Seconds are those of measuring alone.

    `untimed` points have no estimate; the starts of servers are not in it.
    """

    jobs: tuple[Job, ...]
    infeasible: tuple[tuple[Cell, str], ...]
    points_per_cell: int
    seconds: float
    untimed: int

    def obstacles(self) -> list[dict[str, Any]]:
        """What cannot run as rows: the axes of the cell, and `why`."""
        return [{**asdict(cell.serving), "workload": cell.workload, "why": why} for cell, why in self.infeasible]

    @property
    def points(self) -> int:
        """Load levels in all; a ladder that stops climbing has fewer."""
        return self.points_per_cell * sum(len(job.workloads) for job in self.jobs)


def make_plan(campaign: Campaign, catalog: Catalog, estimate: Estimate | None = None) -> Plan:
    """The plan of a campaign; BadConfig if nothing of it can run."""
    estimate = estimate or Simulated(campaign, catalog)
    found = cells(campaign, catalog)
    blocked = {cell: why for cell in found if (why := obstacle(campaign, catalog, cell, estimate))}
    good = [cell for cell in found if cell not in blocked]
    if not good:
        cell, why = next(iter(blocked.items()))
        raise BadConfig(f"no cell of campaign {campaign.name!r} can run; {cell.serving.slug} {cell.workload}: {why}")
    loads = ladder(campaign)
    times = [estimate.point_s(cell, load) for cell in good for load in loads]
    return Plan(
        tuple(_jobs(campaign, good)),
        tuple(blocked.items()),
        len(loads),
        campaign.run.repeat * sum(t for t in times if t is not None),
        campaign.run.repeat * sum(t is None for t in times),
    )


def ladder(campaign: Campaign) -> list[Load]:
    """The loads of each cell; a rate stands here with its last arrival only."""
    if not campaign.matrix.rate:
        return [Closed(users) for users in parse_users(campaign.matrix.concurrency or "1:32:x2")]
    until = campaign.bench.get("until")
    seconds = parse_until(until).seconds if until else None
    return [_open(rate, seconds or 60.0) for rate in parse_rates(campaign.matrix.rate)]


def check_room(plan: Plan, folder: Path) -> None:
    """CannotWrite where the disk is too full for the plan."""
    place = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    free_mb, need_mb = shutil.disk_usage(place).free / 1e6, MB_PER_POINT * plan.points
    if free_mb < need_mb:
        raise CannotWrite(
            f"{place} has {free_mb:,.0f} MB free and {plan.points} points may need {need_mb:,.0f} MB; "
            "make room, or give another --out"
        )


def _jobs(campaign: Campaign, good: Sequence[Cell]) -> list[Job]:
    by_serving: dict[Serving, list[str]] = {}
    for cell in good:
        by_serving.setdefault(cell.serving, []).append(cell.workload)
    groups = [
        (serving, group)
        for serving, workloads in by_serving.items()
        for group in ([(w,) for w in workloads] if campaign.run.restart else [tuple(workloads)])
    ]
    visits = [(s, w, r) for s, w in groups for r in range(1, campaign.run.repeat + 1)]
    match campaign.run.order:
        case "interleaved":
            visits = [v for r in range(1, campaign.run.repeat + 1) for v in _by_turns([v for v in visits if v[2] == r])]
        case "random":
            random.Random(campaign.run.seed).shuffle(visits)  # noqa: S311, no secret
    return [Job(n, serving, workloads, repeat) for n, (serving, workloads, repeat) in enumerate(visits, 1)]


def _by_turns(visits: Sequence[tuple[Serving, tuple[str, ...], int]]) -> list[tuple[Serving, tuple[str, ...], int]]:
    """One of each accelerator and engine in turn, so that a drift of the machine meets all of them alike."""
    groups: dict[tuple[str, str], list[tuple[Serving, tuple[str, ...], int]]] = {}
    for visit in visits:
        groups.setdefault((visit[0].accelerator, visit[0].engine), []).append(visit)
    return [v for v in chain.from_iterable(zip_longest(*groups.values())) if v is not None]


def _open(rate: float | Ramp, seconds: float) -> Open:
    import numpy as np

    last = rate.seconds if isinstance(rate, Ramp) else seconds
    return Open(np.array([last]), 0.0 if isinstance(rate, Ramp) else rate)
