"""What a fleet costs under each contract, with the uncertainty of prediction and price together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite
from zlib import crc32

import numpy as np

from paretoken.answers.plan.gpu_prices import DRAWS, OWN, GpuPrice
from paretoken.answers.plan.result import Bill, Range, finite
from paretoken.plan.need import FleetNeed
from paretoken.plural import counted
from paretoken.predict.arrays import Floats
from paretoken.prices.contract_mix import contract_mix

HOURS_A_DAY = 24.0
FIXED, BY_THE_HOUR = "fixed", "by the hour"
"""The two ways to rent: the replicas of the busiest hour all day, or those of each hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfWork:
    """What is served in a day: tokens and tasks, over hours of the period that is billed as one."""

    tokens: float
    tasks: float
    hours: float


@dataclass(frozen=True, slots=True, eq=False)
class Bills:
    """The bills of a fleet by rising cost, and the draws of the cheapest, USD per day, shape (DRAWS,).

    A draw of inf is one in which no number of replicas meets the limits. Without a price there are no bills.
    """

    bills: tuple[Bill, ...]
    draws: Floats


def normals(name: str) -> Floats:
    """Standard normal draws of a stream, the same for the same name."""
    return np.random.default_rng(crc32(name.encode())).standard_normal(DRAWS)


def bills_of(need: FleetNeed, prices: Sequence[GpuPrice], work: DayOfWork, size_factors: Floats) -> Bills:
    """The bills of a fleet. `size_factors`, shape (DRAWS,), are draws of the size that it needs over this one.

    A draw pays for whole replicas: the planned ones, and more where the limits need more.
    """
    priced: list[tuple[Bill, Floats]] = []
    fixed, scheduled = (np.maximum(of(size_factors), 1.0) for of in (need.fixed_factors, need.scheduled_factors))
    for way in _ways(need, prices, work):
        draws = way.usd * way.price_draws * (fixed if is_fixed(way.contract) else scheduled)
        priced.append((_bill(way, draws, need, work), draws))
    priced.sort(key=lambda b: b[0].usd_per_day)
    return Bills(tuple(bill for bill, _ in priced), priced[0][1] if priced else np.full(DRAWS, inf))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Way:
    """One way to pay: GPU-hours and USD a day, and draws of the price over the price."""

    contract: str
    hourly: bool
    gpu_hours: float
    usd: float
    basis: str
    price_draws: Floats


def _ways(need: FleetNeed, prices: Sequence[GpuPrice], work: DayOfWork) -> Iterator[_Way]:
    a_day, name = HOURS_A_DAY / work.hours, need.candidate.accelerator
    draws = {p.contract: p.draws(normals(f"{name} {p.contract}")) / p.usd for p in prices}
    fixed, scheduled = need.fixed_gpu_hours * a_day, need.scheduled_gpu_hours * a_day
    for p in prices:
        ways = [(FIXED, fixed)]
        if p.billing == "hourly" and scheduled < fixed * (1 - 1e-6):
            ways.append((BY_THE_HOUR, scheduled))
        for how, hours in ways:
            yield _Way(
                contract=f"{p.contract}, {how}",
                hourly=p.billing == "hourly",
                gpu_hours=hours,
                usd=hours * p.usd,
                basis=p.basis,
                price_draws=draws[p.contract],
            )
    hourly = next((p for p in prices if p.billing == "hourly"), None)
    terms = sorted((p for p in prices if p.billing == "always" and p.contract != OWN), key=lambda p: p.usd)
    if hourly and terms and terms[0].usd < hourly.usd and (mixed := _mixed(need, hourly, terms[0], draws)):
        yield mixed


def _mixed(need: FleetNeed, hourly: GpuPrice, committed: GpuPrice, draws: Mapping[str, Floats]) -> _Way | None:
    """A committed base and the rest by the hour; None where either is empty."""
    gpus = [ceil(n - 1e-9) * need.candidate.gpus for n in need.rented]
    mix = contract_mix(gpus, hourly.usd, committed.usd, need.candidate.gpus)
    base, rest = mix.committed_gpu_hours * committed.usd, mix.on_demand_gpu_hours * hourly.usd
    if not (base and rest):
        return None
    a_day = HOURS_A_DAY / len(gpus)
    return _Way(
        contract=f"{committed.contract} and {hourly.contract}",
        hourly=False,
        gpu_hours=(mix.committed_gpu_hours + mix.on_demand_gpu_hours) * a_day,
        usd=mix.usd * a_day,
        basis=f"{counted(mix.committed_gpus, 'GPU')} {committed.contract}, {committed.basis}; the rest "
        f"{hourly.contract}, {hourly.basis}",
        price_draws=(base * draws[committed.contract] + rest * draws[hourly.contract]) / mix.usd,
    )


def _bill(way: _Way, draws: Floats, need: FleetNeed, work: DayOfWork) -> Bill:
    ends = interval(draws)
    idle = max(1 - need.used_gpu_hours * HOURS_A_DAY / work.hours / way.gpu_hours, 0.0)
    mtok = work.tokens / 1e6
    return Bill(
        contract=way.contract,
        hourly=way.hourly,
        usd_per_gpu_h=way.usd / way.gpu_hours,
        basis=way.basis,
        gpu_hours_per_day=way.gpu_hours,
        usd_per_day=way.usd,
        usd_per_day_90=ends,
        usd_per_mtok=way.usd / mtok,
        usd_per_mtok_90=over(ends, mtok),
        usd_per_task=way.usd / work.tasks,
        usd_per_task_90=over(ends, work.tasks),
        idle_usd_per_day=idle * way.usd,
    )


def is_fixed(contract: str) -> bool:
    """Whether the contract of a bill rents the replicas of the busiest hour all day."""
    return contract.endswith(FIXED)


def interval(draws: Floats) -> Range | None:
    """The middle 90 % of the draws. An end that is infinite, as no size meets the limits, is absent.

    The upper end is then None; without a lower end the interval is.
    """
    low, high = np.quantile(draws, (0.05, 0.95), method="lower").tolist()
    return (low, finite(high)) if isfinite(low) else None


def over(ends: Range | None, units: float) -> Range | None:
    """The ends divided by a number of units; None without an interval."""
    return (ends[0] / units, None if ends[1] is None else ends[1] / units) if ends else None


def probability_cheaper(one: Floats, other: Floats) -> float:
    """The share of the draws in which `one` costs less; draws that are equal count half."""
    return float((one < other).mean() + (one == other).mean() / 2)
