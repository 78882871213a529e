"""How many replicas a fleet has in each hour, simulated or estimated, as its bill needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import CoarseCapacity
from paretoken.plan.fleet_size import FleetScale
from paretoken.plan.sample import hour_rates_s
from paretoken.plan.sized import SizedFleet
from paretoken.plan.staffing import hourly
from paretoken.traffic.traffic import HOUR_S, Floats, Ints, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetNeed:
    """Replicas by hour without spares, the share of what they can serve that is used, and GPU-hours of the period.

    `fixed_gpu_hours` is for a fleet that never changes, `scheduled_gpu_hours` for one that follows the hours, both with
    spares. `rented` are the replicas of the latter by hour, with cold starts. `foresight_gpu_hours` is the least that
    any autoscaler rents. All are over `span_s`, the last hour of which may be short.

    `peaks_s` are the loads, requests per second, that the hours are sized for, `scale` is what replicas serve of them.
    """

    candidate: FleetCandidate
    spares: int
    span_s: float
    peaks_s: tuple[float, ...]
    scale: FleetScale
    replicas: tuple[int, ...]
    utilisation: tuple[float, ...]
    rented: tuple[float, ...]
    fixed_gpu_hours: float
    scheduled_gpu_hours: float
    foresight_gpu_hours: float

    @property
    def used_gpu_hours(self) -> float:
        """GPU-hours of the replicas' capacity that are used."""
        used = np.array(self.utilisation) * self.replicas * self._hours()
        return float(used.sum()) * self.candidate.gpus

    def fixed_factors(self, factors: Floats) -> Floats:
        """GPUs of the fleet that never changes if loads weigh `factors` times as much, over those now; inf at inf."""
        most = self._scaled(np.array([max(self.peaks_s)]), np.array([max(self.replicas)]), factors)[:, 0]
        return (most + self.spares) / (max(self.replicas) + self.spares)

    def scheduled_factors(self, factors: Floats) -> Floats:
        """The same ratio for the GPU-hours of the fleet that follows the hours, without its cold starts."""
        hours = self._hours()
        replicas = self._scaled(np.array(self.peaks_s), np.array(self.replicas), factors) @ hours
        now = float(hours @ self.replicas) / hours.sum()
        factor: Floats = (replicas / hours.sum() + self.spares) / (now + self.spares)
        return factor

    def _hours(self) -> Floats:
        """The lengths of the hours: 1, of the last one maybe less."""
        return np.clip(self.span_s / HOUR_S - np.arange(len(self.replicas)), 0.0, 1.0)

    def _scaled(self, loads_s: Floats, replicas: Ints, factors: Floats) -> Floats:
        """Replicas for each load at each factor, shape (factors, loads); `replicas` at a factor of 1."""
        needed = self._needed(loads_s, np.append(factors, 1.0))
        scaled: Floats = np.maximum(needed[:-1] + (replicas - needed[-1]), 1.0)
        return scaled

    def _needed(self, loads_s: Floats, factors: Floats) -> Floats:
        """The fewest replicas for each load at each factor, shape (factors, loads), as in `FleetScale.needed`."""
        scale, most = self.scale, self.scale.replicas
        alone = np.multiply.outer(factors, loads_s) / scale.capacity_s
        replicas = alone / scale.efficiency
        if scale.efficiency > 1 and most > 1:
            gain = (scale.efficiency - 1) / (1 - 1 / most)
            replicas = np.where(replicas < most, (alone + gain) / (1 + gain), replicas)
        return np.maximum(np.ceil(replicas - 1e-9), 1.0)


def need_of(fleet: SizedFleet, spares: int, cold_start_s: float, factor: float = 1.0) -> FleetNeed:
    """The need of a simulated fleet; a `factor` above 1 multiplies the load, and the size scales with it."""
    size = fleet.size
    peaks_s = tuple(peak * max(factor, 1.0) for peak in size.peaks_s)
    if factor > 1:
        counts = tuple(max(n, size.scale.needed(peak)) for n, peak in zip(size.hours, peaks_s, strict=True))
        used = size.utilisation(counts)
        need = _estimated(fleet.candidate, size.scale, peaks_s, counts, used, fleet.span_s, spares, cold_start_s)
        return replace(need, foresight_gpu_hours=fleet.foresight_gpu_hours * sum(counts) / sum(size.hours))
    return FleetNeed(
        candidate=fleet.candidate,
        spares=spares,
        span_s=fleet.span_s,
        peaks_s=peaks_s,
        scale=size.scale,
        replicas=size.hours,
        utilisation=tuple(size.utilisation(size.hours)),
        rented=fleet.scheduled.rented,
        fixed_gpu_hours=fleet.fixed.gpu_hours,
        scheduled_gpu_hours=fleet.scheduled.gpu_hours,
        foresight_gpu_hours=fleet.foresight_gpu_hours,
    )


def coarse_need(
    capacity: CoarseCapacity, traffic: Traffic, spares: int, cold_start_s: float, factor: float = 1.0
) -> FleetNeed:
    """The need of each hour's rate at a closed-form capacity above 0; a `factor` above 1 multiplies the rates."""
    rates, scale = hour_rates_s(traffic).tolist(), FleetScale(capacity.capacity_s)
    peaks_s = tuple(rate * max(factor, 1.0) for rate in rates)
    counts = tuple(map(scale.needed, peaks_s))
    used = [rate / scale.able_s(n) for rate, n in zip(rates, counts, strict=True)]
    return _estimated(capacity.candidate, scale, peaks_s, counts, used, traffic.span_s, spares, cold_start_s)


def _estimated(
    candidate: FleetCandidate,
    scale: FleetScale,
    peaks_s: tuple[float, ...],
    counts: tuple[int, ...],
    utilisation: Sequence[float],
    span_s: float,
    spares: int,
    cold_start_s: float,
) -> FleetNeed:
    """The need of replicas by hour that no replay has checked."""
    schedule = hourly(counts)
    gpus, replica_s = candidate.gpus, schedule.early(cold_start_s).replica_s(span_s) + spares * span_s
    return FleetNeed(
        candidate=candidate,
        spares=spares,
        span_s=span_s,
        peaks_s=peaks_s,
        scale=scale,
        replicas=counts,
        utilisation=tuple(utilisation),
        rented=tuple(float(n + spares) for n in counts),
        fixed_gpu_hours=(max(counts) + spares) * gpus * span_s / HOUR_S,
        scheduled_gpu_hours=replica_s * gpus / HOUR_S,
        foresight_gpu_hours=schedule.replica_s(span_s) * gpus / HOUR_S,
    )
