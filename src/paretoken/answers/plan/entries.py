"""Candidates with their fleets, errors and bills: from the closed form, then simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from paretoken.answers.plan.bills import Bills, bills_of, normals
from paretoken.answers.plan.setting import PlanSetting
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import CoarseCapacity
from paretoken.plan.need import FleetNeed, coarse_need, need_of
from paretoken.plan.parallel import Progress, map_all
from paretoken.plan.replica import mean_lengths
from paretoken.plan.sized import Replayed, SizedFleet, SizingJob, Unsized, size_fleet
from paretoken.plan.sizes import fleet_scales, size_factors
from paretoken.plan.uncertainty import TPOT, TTFT, LatencyError, latency_errors
from paretoken.predict.arrays import Floats
from paretoken.predict.deployment import Deployment

KEPT_OF_A_KIND = 2
"""Sizes to simulate of each accelerator, engine and precision: the cheapest by the closed form."""
CHECKED = (3, 1, 1)
"""Fleets that each round checks in whole hours, cheapest first; rounds end once the cheapest fleet is checked."""
USERS = 64.0
"""Concurrent requests of a replica at which errors are taken before a simulation."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FleetEntry:
    """A candidate of a plan with what its row says. `fleet` is None in closed form.

    `size_factors` are draws of the size that it needs over the predicted size. `planned_for` is the planned size over
    the predicted size, inf where no size gives the confidence. `predicted_usd` is what a fixed fleet of the predicted
    size costs over the period at the lowest price.
    """

    need: FleetNeed
    predicted_usd: float
    size_factors: Floats
    planned_for: float
    error: LatencyError
    bills: Bills
    fleet: SizedFleet | None = None
    first_to_fail: str = ""

    @property
    def candidate(self) -> FleetCandidate:
        return self.need.candidate

    @property
    def gpus(self) -> int:
        """GPUs of the busiest hour, with the spares."""
        return (max(self.need.replicas) + self.need.spares) * self.candidate.gpus

    @property
    def hourly_usd(self) -> float | None:
        """USD per GPU-hour of the cheapest contract that is paid by the hour; None without one."""
        return min((b.usd_per_gpu_h for b in self.bills.bills if b.hourly), default=None)

    @property
    def usd_per_day(self) -> float:
        """USD per day of the cheapest bill; inf without a price."""
        return self.bills.bills[0].usd_per_day if self.bills.bills else inf


def coarse_entries(setting: PlanSetting, capacities: Sequence[CoarseCapacity]) -> list[FleetEntry]:
    """Fleets by the closed form."""
    question, entries = setting.question, list[FleetEntry]()
    spares, cold_start_s = question.spares, question.cold_start_s
    needs = [coarse_need(c, setting.traffic, spares, cold_start_s) for c in capacities]
    for c, need, error in zip(capacities, needs, _errors(setting, needs, [USERS] * len(needs)), strict=True):

        def need_for(factor: float, c: CoarseCapacity = c) -> FleetNeed:
            return coarse_need(c, setting.traffic, spares, cold_start_s, factor)

        ttft, tpot = (_normals(need.candidate, metric) for metric in (TTFT, TPOT))
        factors = size_factors(c.curve, setting.limits, error, ttft, tpot)
        entry = _entry(setting, error, factors, need, need_for)
        entries.append(replace(entry, first_to_fail=c.first_to_fail))
    return entries


def simulated_entries(setting: PlanSetting, fleets: Sequence[SizedFleet]) -> list[FleetEntry]:
    """Simulated fleets."""
    question, entries = setting.question, list[FleetEntry]()
    needs = [need_of(fleet, question.spares, question.cold_start_s) for fleet in fleets]
    users = [max(f.curve.batch_at(f.size.rate_each_s(f.size.checks[0].group.first)), 1.0) for f in fleets]
    for fleet, need, error in zip(fleets, needs, _errors(setting, needs, users), strict=True):
        ttft, tpot = (_normals(need.candidate, metric) for metric in (TTFT, TPOT))
        scales = fleet_scales(fleet.size, fleet.curve, setting.limits)
        factors = size_factors(fleet.curve, setting.limits, error, ttft, tpot, scales)

        def need_for(factor: float, fleet: SizedFleet = fleet) -> FleetNeed:
            return need_of(fleet, question.spares, question.cold_start_s, factor)

        entries.append(replace(_entry(setting, error, factors, need, need_for), fleet=fleet))
    return entries


def _entry(
    setting: PlanSetting, error: LatencyError, factors: Floats, need: FleetNeed, need_for: Callable[[float], FleetNeed]
) -> FleetEntry:
    """The entry of the size that gives the confidence. `need_for(factor)` is the fleet for the load times a factor."""
    confidence, factor, prices = setting.question.confidence, 1.0, setting.prices[need.candidate.accelerator]
    predicted_usd = need.fixed_gpu_hours * min(p.usd for p in prices)
    if confidence > 0.5:
        factor = max(float(np.quantile(factors, confidence, method="lower")), 1.0)
    if 1 < factor < inf:
        need = need_for(factor)
    return FleetEntry(
        need=need,
        predicted_usd=predicted_usd,
        size_factors=factors,
        planned_for=factor,
        error=error,
        bills=bills_of(need, prices, setting.work, factors if factor == inf else factors / factor),
    )


def promising(entries: Sequence[FleetEntry], most: int) -> list[FleetCandidate]:
    """The cheapest candidates at the predicted size: the best of each accelerator first, few of each kind."""
    ranked = sorted(entries, key=lambda e: e.predicted_usd)
    of_kind, kept = dict[tuple[object, ...], int](), list[FleetCandidate]()
    for candidate in (e.candidate for e in ranked):
        kind = _kind(candidate)
        of_kind[kind] = of_kind.get(kind, 0) + 1
        if of_kind[kind] <= KEPT_OF_A_KIND:
            kept.append(candidate)
    best = {c.accelerator: c for c in reversed(kept)}.values()
    first = [c for c in kept if c in best]
    return [*first, *(c for c in kept if c not in first)][:most]


def simulated(
    setting: PlanSetting, chosen: Sequence[FleetCandidate], on_progress: Progress
) -> tuple[list[FleetEntry], list[Unsized]]:
    """The chosen candidates simulated, the cheapest in whole hours; with `replay`, that over the whole period."""
    whole = int(setting.question.replay)
    total = len(chosen) + whole
    sized = map_all(
        size_fleet,
        [_job(setting, candidate, "sampled hours") for candidate in chosen],
        progress=lambda done, _: on_progress(done, total),
    )
    unsized = [s for s in sized if isinstance(s, Unsized)]
    entries = simulated_entries(setting, [s for s in sized if isinstance(s, SizedFleet)])
    for most in CHECKED:
        ranked = sorted(entries, key=lambda e: (e.planned_for == inf, e.usd_per_day))
        if not ranked or not _is_sampled(ranked[0]):
            break
        entries = _resized(setting, ranked, [e for e in ranked if _is_sampled(e)][:most], "busiest hour", unsized)
    if whole and entries:
        entries = _resized(setting, entries, [min(entries, key=lambda e: e.usd_per_day)], "whole period", unsized)
        on_progress(total, total)
    return entries, unsized


def _is_sampled(entry: FleetEntry) -> bool:
    return entry.fleet is not None and entry.fleet.replayed == "sampled hours"


def _resized(
    setting: PlanSetting,
    entries: Sequence[FleetEntry],
    some: Sequence[FleetEntry],
    how: Replayed,
    unsized: list[Unsized],
) -> list[FleetEntry]:
    """The entries, with some of them sized again, which come first; those without a size now go to `unsized`."""
    sized = map_all(size_fleet, [_job(setting, e.candidate, how) for e in some])
    unsized += [s for s in sized if isinstance(s, Unsized)]
    resized = simulated_entries(setting, [s for s in sized if isinstance(s, SizedFleet)])
    return resized + [e for e in entries if e not in some]


def _job(setting: PlanSetting, candidate: FleetCandidate, replayed: Replayed) -> SizingJob:
    return SizingJob(
        candidate=candidate,
        traffic=setting.traffic,
        slos=setting.limits,
        spares=setting.question.spares,
        cold_start_s=setting.question.cold_start_s,
        calibration=setting.calibration,
        catalog=setting.catalog,
        replayed=replayed,
        prefix_cache=setting.question.prefix_cache,
    )


def _errors(setting: PlanSetting, needs: Sequence[FleetNeed], users: Sequence[float]) -> list[LatencyError]:
    candidates, lengths = [need.candidate for need in needs], mean_lengths(setting.traffic)
    return latency_errors(candidates, lengths, users, setting.calibration, setting.catalog)


def decoding(candidate: FleetCandidate) -> Deployment:
    """The deployment of a candidate, of its decode pool where it is disaggregated."""
    d = candidate.deployment
    return d if isinstance(d, Deployment) else d.decode


def _kind(candidate: FleetCandidate) -> tuple[str, str, str, bool]:
    """What errs together: accelerator, engine, precision, and whether it is disaggregated."""
    d = candidate.deployment
    return candidate.accelerator, d.engine, decoding(candidate).precision, isinstance(d, Deployment)


def _normals(candidate: FleetCandidate, metric: str) -> Floats:
    """Draws of an error, the same for every size of a kind."""
    return normals(f"{' '.join(map(str, _kind(candidate)))} {metric}")
