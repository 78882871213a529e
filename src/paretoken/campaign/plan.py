"""From cells to jobs in order, with the time and the disk space they need. Pure but for `check_room`."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path

from paretoken.bench.level_loads import OPEN_SECONDS
from paretoken.bench.plan import Closed, Load, Open
from paretoken.bench.workload.arrivals import Ramp
from paretoken.bench.workload.ladder import parse_rates
from paretoken.campaign.config import Campaign
from paretoken.campaign.estimate import Estimate, PredictedEstimate, until_of
from paretoken.campaign.feasible import obstacle
from paretoken.campaign.matrix import MatrixCell, ServingConfig, cells
from paretoken.campaign.serve import concurrencies
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, CannotWrite
from paretoken.plural import counted

MB_PER_POINT = 64
"""Disk space of one point: about 5 million output tokens at 12 bytes each, journal and table together."""


_Visit = tuple[ServingConfig, tuple[str, ...], int]
"""What one job serves, its workloads, its repeat."""


@dataclass(frozen=True, slots=True)
class CampaignJob:
    """One server start and the cells that are measured on it. `number` counts from 1 in the order run."""

    number: int
    serving: ServingConfig
    workloads: tuple[str, ...]
    repeat: int

    @property
    def cells(self) -> tuple[MatrixCell, ...]:
        return tuple(MatrixCell(self.serving, w) for w in self.workloads)

    @property
    def slug(self) -> str:
        again = f"-r{self.repeat}" if self.repeat > 1 else ""
        return f"{self.number:04d}-{self.serving.slug}{again}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs, in order, and what cannot run, with the reason.

    `seconds` is the time of measuring without server starts; `untimed` points have no estimate.
    """

    jobs: tuple[CampaignJob, ...]
    infeasible: tuple[tuple[MatrixCell, str], ...]
    points_per_cell: int
    seconds: float
    untimed: int

    def obstacles(self) -> list[dict[str, object]]:
        """What cannot run, as rows: the axes of the cell, and `why`."""
        return [{**asdict(cell.serving), "workload": cell.workload, "why": why} for cell, why in self.infeasible]

    @property
    def points(self) -> int:
        """Total load levels; a ladder that ends early has fewer."""
        return self.points_per_cell * sum(len(job.workloads) for job in self.jobs)


def make_plan(campaign: Campaign, catalog: Catalog, estimate: Estimate | None = None) -> Plan:
    """The plan of a campaign; BadConfig if no cell can run."""
    estimate = estimate or PredictedEstimate(campaign, catalog)
    all_cells = cells(campaign, catalog)
    blocked = {cell: why for cell in all_cells if (why := obstacle(campaign, catalog, cell, estimate))}
    feasible = [cell for cell in all_cells if cell not in blocked]
    if not feasible:
        cell, why = next(iter(blocked.items()))
        raise BadConfig(f"no cell of campaign {campaign.name!r} can run; {cell.serving.slug} {cell.workload}: {why}")
    loads = ladder(campaign)
    times = [estimate.point_s(cell, load) for cell in feasible for load in loads]
    return Plan(
        tuple(_jobs(campaign, feasible)),
        tuple(blocked.items()),
        len(loads),
        campaign.run.repeat * sum(t for t in times if t is not None),
        campaign.run.repeat * sum(t is None for t in times),
    )


def ladder(campaign: Campaign) -> list[Load]:
    """The loads of each cell; a rate is represented by its last arrival only."""
    if not campaign.matrix.rate:
        return [Closed(users) for users in concurrencies(campaign)]
    seconds = until_of(campaign).seconds or OPEN_SECONDS
    return [_open(rate, seconds) for rate in parse_rates(campaign.matrix.rate)]


def check_room(plan: Plan, folder: Path) -> None:
    """CannotWrite if the disk has too little space for the plan."""
    place = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    free_mb, need_mb = shutil.disk_usage(place).free / 1e6, MB_PER_POINT * plan.points
    if free_mb < need_mb:
        raise CannotWrite(
            f"{place} has {free_mb:,.0f} MB free and {counted(plan.points, 'point')} may need {need_mb:,.0f} MB; "
            "free some space, or give another --out"
        )


def _jobs(campaign: Campaign, feasible: Sequence[MatrixCell]) -> list[CampaignJob]:
    by_serving: dict[ServingConfig, list[str]] = {}
    for cell in feasible:
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
            random.Random(campaign.run.seed).shuffle(visits)  # noqa: S311, an order needs no secret randomness
    return [CampaignJob(n, serving, workloads, repeat) for n, (serving, workloads, repeat) in enumerate(visits, 1)]


def _by_turns(
    visits: Sequence[_Visit],
) -> list[_Visit]:
    """One of each accelerator and engine in turn, so that drift of the machine affects all of them alike."""
    groups: dict[tuple[str, str], list[_Visit]] = {}
    for visit in visits:
        groups.setdefault((visit[0].accelerator, visit[0].engine), []).append(visit)
    return [v for v in chain.from_iterable(zip_longest(*groups.values())) if v is not None]


def _open(rate: float | Ramp, seconds: float) -> Open:
    import numpy as np

    last = rate.seconds if isinstance(rate, Ramp) else seconds
    return Open(np.array([last]), 0.0 if isinstance(rate, Ramp) else rate)
