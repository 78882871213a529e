"""How many replicas a fleet has in each hour, simulated or estimated, as its bill needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import CoarseCapacity
from paretoken.plan.sized import SizedFleet
from paretoken.plan.staffing import StaffSchedule
from paretoken.traffic.traffic import HOUR_S, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetNeed:
    """Replicas by hour without spares, the share of what they can serve that is used, and GPU-hours of the period.

    `fixed_gpu_hours` are those of a fleet that never changes, `scheduled_gpu_hours` those of one that follows the
    hours, both with spares; `rented` are the replicas of the latter by hour, with cold starts. `foresight_gpu_hours`
    is the least that any autoscaler rents.
    """

    candidate: FleetCandidate
    spares: int
    replicas: tuple[int, ...]
    utilisation: tuple[float, ...]
    rented: tuple[float, ...]
    fixed_gpu_hours: float
    scheduled_gpu_hours: float
    foresight_gpu_hours: float

    @property
    def used_gpu_hours(self) -> float:
        """GPU-hours of the replicas' capacity that are used, with a last hour taken as whole."""
        shares = zip(self.utilisation, self.replicas, strict=True)
        return sum(u * n for u, n in shares) * self.candidate.gpus


def need_of(fleet: SizedFleet, spares: int, cold_start_s: float, factor: float = 1.0) -> FleetNeed:
    """That of a simulated fleet; with a `factor` above 1, of one for so many times the load, as its size scales."""
    size = fleet.size
    if factor > 1:
        counts = tuple(size.scale.needed(load * factor) for load in size.loads_s)
        return _estimated(fleet.candidate, counts, size.utilisation(counts), fleet.span_s, spares, cold_start_s)
    return FleetNeed(
        candidate=fleet.candidate,
        spares=spares,
        replicas=size.hours,
        utilisation=tuple(size.utilisation(size.hours)),
        rented=fleet.scheduled.rented,
        fixed_gpu_hours=fleet.fixed.gpu_hours,
        scheduled_gpu_hours=fleet.scheduled.gpu_hours,
        foresight_gpu_hours=fleet.foresight_gpu_hours,
    )


def coarse_need(capacity: CoarseCapacity, traffic: Traffic, spares: int, cold_start_s: float) -> FleetNeed:
    """That of a capacity from the closed form, above 0, for the rate of each hour."""
    rates = _rates(traffic)
    counts = tuple(max(ceil(rate / capacity.capacity_s - 1e-9), 1) for rate in rates)
    used = [rate / (n * capacity.capacity_s) for rate, n in zip(rates, counts, strict=True)]
    return _estimated(capacity.candidate, counts, used, traffic.span_s, spares, cold_start_s)


def _estimated(
    candidate: FleetCandidate,
    counts: tuple[int, ...],
    utilisation: Sequence[float],
    span_s: float,
    spares: int,
    cold_start_s: float,
) -> FleetNeed:
    """That of replicas by hour, which no replay has checked."""
    schedule = StaffSchedule(tuple(i * HOUR_S for i in range(len(counts))), counts)
    gpus, replica_s = candidate.gpus, schedule.early(cold_start_s).replica_s(span_s) + spares * span_s
    return FleetNeed(
        candidate=candidate,
        spares=spares,
        replicas=counts,
        utilisation=tuple(utilisation),
        rented=tuple(float(n + spares) for n in counts),
        fixed_gpu_hours=(max(counts) + spares) * gpus * span_s / HOUR_S,
        scheduled_gpu_hours=replica_s * gpus / HOUR_S,
        foresight_gpu_hours=schedule.replica_s(span_s) * gpus / HOUR_S,
    )


def _rates(traffic: Traffic) -> Sequence[float]:
    """Requests per second of each hour."""
    counts = np.bincount(traffic.hour_of(), minlength=traffic.hours)
    seconds = np.minimum(HOUR_S, traffic.span_s - np.arange(traffic.hours) * HOUR_S)
    rates: list[float] = (counts / seconds).tolist()
    return rates
