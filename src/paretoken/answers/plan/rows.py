"""A sized fleet as a row of the plan: its limits in the worst hour, its hours, its room to grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, isfinite

import numpy as np

from paretoken.answers.plan.entries import FleetEntry, decoding
from paretoken.answers.plan.result import HourOfFleet, LimitOutcome, PlanRow, finite
from paretoken.answers.plan.setting import PlanSetting
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.need import FleetNeed
from paretoken.plan.sized import SizedFleet
from paretoken.plan.uncertainty import OF_TOKENS, TTFT, LatencyError
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.calibration.novelty import cell_of
from paretoken.predict.deployment import Deployment
from paretoken.predict.pools.layout import worker_kind
from paretoken.predict.rows import new_kinds
from paretoken.significant import significant
from paretoken.slo import Slo
from paretoken.traffic.traffic import DAY_S, HOUR_S, Traffic


def name_of(candidate: FleetCandidate) -> str:
    """Accelerator, engine, precision and layout in short."""
    one, engine = decoding(candidate), candidate.deployment.engine
    return f"{candidate.deployment.accelerator} {engine} {one.precision} {layout_of(candidate)}"


def layout_of(candidate: FleetCandidate) -> str:
    """TP4, DEP8, 2xDEP4+1xTP8."""
    d = candidate.deployment
    return worker_kind(d) if isinstance(d, Deployment) else d.layout


def _limit_outcomes(
    fleet: SizedFleet, need: FleetNeed, limits: Sequence[Slo], error: LatencyError
) -> Iterator[LimitOutcome]:
    """Each limit in the hours in which it is nearest, with the interval of the prediction's error."""
    for slo in limits:
        check = max(fleet.size.checks, key=lambda c: c.ratios.get(slo, 0.0))
        hour = check.group.first
        checked_s, each_s = (fleet.size.rate_each_s(hour, n) for n in (check.replicas, need.replicas[hour]))
        ratio = check.ratios.get(slo, 0.0) * _eased(fleet, slo, checked_s, each_s)
        value = ratio * slo.bound_s
        low, high = map(exp, error.ends[OF_TOKENS[slo.metric]])
        if slo.metric != TTFT:
            low, high = (_stretch(fleet, slo, each_s, factor) for factor in (low, high))
        yield LimitOutcome(
            text=slo.text,
            value=value,
            low=finite(value * low),
            high=finite(value * high),
            bound=slo.bound_s,
            ratio=ratio,
            unit="s",
        )


def _stretch(fleet: SizedFleet, slo: Slo, rate_s: float, factor: float) -> float:
    """The factor on a latency if the replicas take `factor` times as long; inf if they cannot keep up.

    Slower replicas at a rate are these at `factor` times the rate, with all latencies multiplied.
    """
    before = fleet.curve.latency_s(slo.metric, slo.statistic, rate_s)
    after = factor * fleet.curve.latency_s(slo.metric, slo.statistic, rate_s * factor)
    return after / before if isfinite(before) and before > 0 else factor


def _eased(fleet: SizedFleet, slo: Slo, checked_s: float, each_s: float) -> float:
    """The factor on a latency between two rates of a replica."""
    before, after = (fleet.curve.latency_s(slo.metric, slo.statistic, rate) for rate in (checked_s, each_s))
    return after / before if isfinite(before) and isfinite(after) and before > 0 else 1.0


def plan_row(
    setting: PlanSetting, entry: FleetEntry, *, rank: int, cheaper: float, commands: tuple[str, ...]
) -> PlanRow:
    """The row of a candidate."""
    need, fleet, candidate, traffic = entry.need, entry.fleet, entry.candidate, setting.traffic
    d, one = candidate.deployment, decoding(candidate)
    measured, a_day = _measured_points(candidate, setting.calibration), DAY_S / traffic.span_s
    headroom, kw_per_gpu = _headroom(entry), setting.kw_per_gpu.get(candidate.accelerator)
    return PlanRow(
        rank=rank,
        name=name_of(candidate),
        accelerator=candidate.accelerator,
        model=one.model,
        precision=one.precision,
        engine=d.engine,
        layout=layout_of(candidate),
        pools=() if isinstance(d, Deployment) else tuple(d.layout.split("+")),
        gpus_per_replica=candidate.gpus,
        replicas=max(need.replicas),
        spares=need.spares,
        gpus=entry.gpus,
        probability=float((entry.size_factors <= headroom).mean()),
        gpus_at_90=_gpus_at_90(entry),
        limits=tuple(_limit_outcomes(fleet, need, setting.limits, entry.error)) if fleet else (),
        utilisation=_used(entry),
        headroom=headroom,
        first_to_fail=fleet.curve.first_to_fail(setting.limits) if fleet else entry.first_to_fail,
        hours=tuple(_hours(need, _first_hour(traffic))),
        bills=entry.bills.bills,
        foresight_gpu_hours_per_day=need.foresight_gpu_hours * a_day,
        foresight_usd_per_day=need.foresight_gpu_hours * a_day * entry.hourly_usd if entry.hourly_usd else None,
        cheaper=cheaper,
        simulated=fleet.replayed if fleet else "closed form",
        origin="predicted" if not measured else "predicted from points of this deployment",
        measured_points=measured,
        new_to_calibration=tuple(new_kinds(entry.error.novelty)),
        tok_s_per_mw=traffic.tokens_s / (entry.gpus * kw_per_gpu / 1000) if kw_per_gpu else None,
        commands=commands,
        notes=tuple(_notes(fleet, a_day)) if fleet else (),
    )


def _headroom(entry: FleetEntry) -> float:
    """The factor by which the traffic may grow until the busiest hour misses a limit."""
    if entry.fleet is None:
        return 1 / max(entry.need.utilisation)
    size = entry.fleet.size
    peak = size.checks[0].group
    return size.scale.able_s(entry.need.replicas[peak.first]) / peak.peak_s


def _gpus_at_90(entry: FleetEntry) -> int | None:
    """GPUs with which the limits are met with a probability of 90 %; None where no number is enough."""
    factor = float(np.quantile(entry.size_factors, 0.9, method="lower")) / entry.planned_for
    if not isfinite(factor):
        return None
    more = float(entry.need.fixed_factors(np.array([max(factor, 1.0)]))[0])
    return round(more * (max(entry.need.replicas) + entry.need.spares)) * entry.candidate.gpus


def _hours(need: FleetNeed, first: int) -> Iterator[HourOfFleet]:
    for i, (n, rented, used) in enumerate(zip(need.replicas, need.rented, need.utilisation, strict=True)):
        yield HourOfFleet(hour=(first + i) % 24 if first >= 0 else i, replicas=n, rented=rented, utilisation=used)


def _first_hour(traffic: Traffic) -> int:
    """The hour of the day in which most of the first one lies, -1 where the day is not known."""
    return -1 if traffic.day_start_s is None else round(traffic.day_start_s / HOUR_S) % 24


def _measured_points(candidate: FleetCandidate, calibration: Calibration) -> int:
    """Points of exactly this deployment in the calibration; 0 for pools, whose points are not counted by deployment."""
    d = candidate.deployment
    if not isinstance(d, Deployment):
        return 0
    return sum(x.points for x in calibration.seen if x.cell == cell_of(d) and x.size == d.size)


def _used(entry: FleetEntry) -> float:
    """The share of the GPU-hours of the cheapest bill that the load takes; of a fixed fleet without a price."""
    if entry.bills.bills:
        bill = entry.bills.bills[0]
        return 1 - bill.idle_usd_per_day / bill.usd_per_day
    return entry.need.used_gpu_hours / entry.need.fixed_gpu_hours


def _notes(fleet: SizedFleet, a_day: float) -> Iterator[str]:
    yield from fleet.notes
    if fleet.hit_share is not None:
        yield f"the prefix caches hold {fleet.hit_share:.0%} of the input tokens"
    if fleet.one_gone > 1:
        yield f"with one replica gone the worst limit is missed by a factor of {fleet.one_gone:.2f}"
    if fleet.autoscaled:
        a = fleet.autoscaled
        met = "meets every limit" if a.worst <= 1 else f"misses a limit by a factor of {a.worst:.2f}"
        hours = significant(a.gpu_hours * a_day)
        yield f"an autoscaler that reacts to the load rents {hours} GPU-hours a day and {met}"
