"""Fleets that follow the traffic: by perfect foresight, by the hour of the day, and by the current load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretoken.plan.fleet_run import FleetRun
from paretoken.plan.fleet_size import FleetSize
from paretoken.plan.hours import FleetSizer
from paretoken.plan.latencies import ratios
from paretoken.plan.replay import replay
from paretoken.plan.staffing import ReactiveScaling, Staffing, StaffSchedule, fixed
from paretoken.slo import Slo
from paretoken.traffic.traffic import HOUR_S

WINDOW_S = 300.0
"""Perfect foresight sees the load of such windows, and changes the fleet as often."""
ROOMS = (1.0, 0.85, 0.7, 0.55, 0.4)
"""Targets of a reactive autoscaler: shares of the requests that a replica has at its capacity."""
TRIES = 4
"""Replays in which a schedule that misses a limit in some hours gets a replica more there."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StaffedFleet:
    """A fleet replayed over the whole period. `hours` are value over bound of each limit in each group of hours, with
    the first hour of the group."""

    run: FleetRun
    schedule: StaffSchedule | None
    hours: tuple[tuple[int, dict[Slo, float]], ...]

    @property
    def gpu_hours(self) -> float:
        return self.run.gpu_hours

    @property
    def worst(self) -> float:
        """The largest ratio of all hours, at most 1 where every limit is met in every hour."""
        return max((r for _, limits in self.hours for r in limits.values()), default=0.0)

    @property
    def missed(self) -> list[int]:
        """First hours of the groups that miss a limit."""
        return [hour for hour, limits in self.hours if any(r > 1 for r in limits.values())]


def foresight(sizer: FleetSizer, size: FleetSize, window_s: float = WINDOW_S) -> StaffSchedule:
    """The replicas that the load of every window needs, without cold starts: what no autoscaler can know.

    `StaffSchedule.replica_s` of it is the lower bound of a fleet that meets the limits in every window.
    """
    t = sizer.traffic
    edges = np.append(np.arange(0, t.span_s, window_s), t.span_s)
    loads = np.histogram(t.time_s, edges, weights=sizer.work)[0] / np.maximum(np.diff(edges), 1e-9)
    return StaffSchedule(tuple(edges[:-1].tolist()), tuple(size.scale.needed(load) for load in loads.tolist()))


def whole_fixed(sizer: FleetSizer, size: FleetSize, *, spares: int = 0) -> StaffedFleet:
    """The fixed fleet of the busiest hour, with spares, over the whole period; one more replica where a limit needs it.

    The spares serve as all others do. `without_one` is the check that the limits hold when a replica is gone.
    """
    return _mended(sizer, fixed(size.replicas + spares), 0.0)


def by_hour(sizer: FleetSizer, size: FleetSize, *, cold_start_s: float, spares: int = 0) -> StaffedFleet:
    """The replicas of each hour by a schedule made in advance; additional ones start earlier by their cold start."""
    schedule = replace(size.schedule, counts=tuple(n + spares for n in size.schedule.counts))
    return _mended(sizer, schedule, cold_start_s)


def reactive(
    sizer: FleetSizer,
    size: FleetSize,
    *,
    cold_start_s: float,
    spares: int = 0,
    cooldown_s: float = 300.0,
    rooms: Sequence[float] = ROOMS,
) -> StaffedFleet:
    """An autoscaler that keeps the unfinished requests of a replica at a share of what it has at its capacity.

    The share is the largest of `rooms` with which every limit is met in every hour; where none is, the best of them:
    `worst` says so. The fleet starts with the replicas of the first hour.
    """
    peak = size.checks[0]
    most = peak.outstanding * size.scale.able_s(peak.replicas) / peak.group.load_s
    fleets: list[StaffedFleet] = []
    for room in rooms:
        scaling = ReactiveScaling(
            per_replica=max(room * most, 1.0), start=size.hours[0], spares=spares, cooldown_s=cooldown_s
        )
        fleets.append(_replayed(sizer, scaling, cold_start_s))
        if fleets[-1].worst <= 1:
            return fleets[-1]
    return min(fleets, key=lambda f: f.worst)


def without_one(sizer: FleetSizer, size: FleetSize, *, spares: int) -> dict[Slo, float]:
    """Value over bound of each limit in the busiest hours, with one replica of the fleet and its spares gone."""
    return dict(sizer.check(size.checks[0].group, max(size.replicas + spares - 1, 1)).ratios)


def _mended(sizer: FleetSizer, schedule: StaffSchedule, cold_start_s: float) -> StaffedFleet:
    """Replay a schedule, with one replica more in the hours that miss a limit, until all limits are met."""
    for _ in range(TRIES):
        fleet = replace(_replayed(sizer, schedule.early(cold_start_s), cold_start_s), schedule=schedule)
        if not fleet.missed:
            break
        groups = [g for g in sizer.groups() if g.first in fleet.missed]
        more = {hour for g in groups for hour in range(g.first, g.stop)}
        everywhere = len(schedule.counts) == 1
        counts = tuple(
            n + (everywhere or round(start / HOUR_S) in more)
            for n, start in zip(schedule.counts, schedule.starts_s, strict=True)
        )
        schedule = replace(schedule, counts=counts)
    return fleet


def _replayed(sizer: FleetSizer, staffing: Staffing, cold_start_s: float) -> StaffedFleet:
    """Replay the whole period."""
    run = replay(
        sizer.replica,
        sizer.traffic,
        staffing,
        router=sizer.router,
        cold_start_s=cold_start_s,
        cached_tokens=sizer.cached_tokens,
    )
    limits = []
    for g in sizer.groups():
        stop_s = g.stop * HOUR_S + (g.stop == sizer.traffic.hours)
        figures = run.latencies(g.first * HOUR_S, stop_s, slos=sizer.slos).figures()
        limits.append((g.first, ratios(figures, sizer.slos)))
    return StaffedFleet(run=run, schedule=None, hours=tuple(limits))
