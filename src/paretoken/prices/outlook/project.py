"""A scenario projected: throughput, price, cost of tokens and break-even at every quarter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from paretoken.errors import BadConfig, NoData
from paretoken.prices.cost import break_even_rent, usd_per_mtok
from paretoken.prices.outlook.scenario import ComingAccelerator, Scenario

DAYS_PER_QUARTER = 365.25 / 4

ALL = "all"


@dataclass(frozen=True, slots=True)
class Today:
    """What a scenario starts from, by accelerator: throughput at its latency, price, fitted growth a quarter.

    `interval` is the 90 % interval of a predicted throughput, tok/s/GPU, `basis` what it is predicted of.
    """

    tput_per_gpu: Mapping[str, float]
    usd_per_gpu_h: Mapping[str, float]
    growth: Mapping[str, float] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    basis: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioState:
    """One accelerator on one day of the scenario, at its latency.

    `break_even_usd_per_gpu_h` is against the reference that day; `origin` is always "scenario", `basis`
    names the frontier of today that it starts from. Cost and price are None without a price. `interval` and
    `usd_per_mtok_interval` are of 90 %, None where the start is not predicted.
    """

    day: date
    accelerator: str
    tput_per_gpu: float
    usd_per_gpu_h: float | None
    usd_per_mtok: float | None
    break_even_usd_per_gpu_h: float
    basis: str
    interval: tuple[float, float] | None = None
    usd_per_mtok_interval: tuple[float, float] | None = None
    origin: str = "scenario"


def project(scenario: Scenario, today: Today) -> list[ScenarioState]:
    """Every accelerator at every quarter, by day and rising cost."""
    coming = _accelerators(scenario, today)
    if scenario.reference not in coming:
        raise NoData(f"{scenario.reference}, the scenario's reference, has no data at that latency; name another")
    return [state for day in scenario.quarters() for state in _states_on(scenario, day, coming, today)]


def changed(states: Sequence[ScenarioState]) -> list[ScenarioState]:
    """The states of the days on which anything differs from the day before."""
    kept: list[ScenarioState] = []
    before: list[tuple[str, float, float | None]] = []
    for on_day in by_day(states):
        figures = [(s.accelerator, s.tput_per_gpu, s.usd_per_gpu_h) for s in on_day]
        kept += on_day if figures != before else []
        before = figures
    return kept


def winners(states: Sequence[ScenarioState]) -> list[tuple[date, str, str | None, float | None]]:
    """(day, cheapest, next, margin) of every day that has a price."""
    rows: list[tuple[date, str, str | None, float | None]] = []
    for on_day in by_day(states):
        priced = [(s.accelerator, s.usd_per_mtok) for s in on_day if s.usd_per_mtok is not None]
        if len(priced) > 1:
            (first, first_usd), (second, second_usd) = priced[:2]
            rows.append((on_day[0].day, first, second, second_usd / first_usd - 1))
        elif priced:
            rows.append((on_day[0].day, priced[0][0], None, None))
    return rows


def by_day(states: Sequence[ScenarioState]) -> Iterator[list[ScenarioState]]:
    """The states of each day; `states` are in order of day, as `project` returns them."""
    for _, on_day in groupby(states, key=lambda state: state.day):
        yield [*on_day]


def _accelerators(scenario: Scenario, today: Today) -> dict[str, ComingAccelerator | None]:
    """Every accelerator of the scenario; those still to come with what they are derived from."""
    tput = today.tput_per_gpu
    for c in scenario.coming:
        if c.like and c.like not in tput:
            raise NoData(f"{c.name} is modelled on {c.like}, which has no data at that latency; name another")
        if c.like and c.name in tput:
            raise BadConfig(f"{c.name} has points of its own; use [[change]] or [[speedup]] for it")
    named = [c.accelerator for c in scenario.change] + [s.accelerator for s in scenario.speedup]
    for name in named:
        if name != ALL and name not in tput and name not in {c.name for c in scenario.coming}:
            raise NoData(f"the scenario changes {name}, which has no data at that latency")
    return {**dict.fromkeys(tput), **{c.name: c for c in scenario.coming}}


def _states_on(
    scenario: Scenario, day: date, accelerators: Mapping[str, ComingAccelerator | None], today: Today
) -> list[ScenarioState]:
    available = {a: c for a, c in accelerators.items() if c is None or c.available <= day}
    tput = {a: _throughput(scenario, day, a, c, today) for a, c in available.items()}
    usd = {a: _price(scenario, day, a, c, today) for a, c in available.items()}
    reference = scenario.reference
    reference_usd = usd.get(reference)
    if not reference_usd:
        raise NoData(f"{reference}, the scenario's reference, has no price on {day}; give one under [usd_per_gpu_h]")
    states = [
        ScenarioState(
            day=day,
            accelerator=a,
            tput_per_gpu=tput[a],
            usd_per_gpu_h=price,
            usd_per_mtok=usd_per_mtok(price, tput[a]) if price else None,
            break_even_usd_per_gpu_h=break_even_rent(reference_usd, tput[reference], tput[a]),
            basis=_basis(a, coming, today),
            interval=ends,
            usd_per_mtok_interval=(usd_per_mtok(price, ends[1]), usd_per_mtok(price, ends[0]))
            if price and ends
            else None,
        )
        for a, coming in available.items()
        for price, ends in ((usd[a], _interval(a, tput[a], today)),)
    ]
    return sorted(states, key=lambda s: (s.usd_per_mtok is None, s.usd_per_mtok or 0.0, s.accelerator))


def _basis(name: str, coming: ComingAccelerator | None, today: Today) -> str:
    if coming and coming.like:
        return f"{coming.like} × {coming.throughput_factor:g}"
    return today.basis.get(name, "own frontier")


def _interval(name: str, tput_per_gpu: float, today: Today) -> tuple[float, float] | None:
    """The interval of today, moved with the throughput."""
    if name not in today.interval:
        return None
    low, high = today.interval[name]
    moved = tput_per_gpu / today.tput_per_gpu[name]
    return low * moved, high * moved


def _throughput(scenario: Scenario, day: date, name: str, coming: ComingAccelerator | None, today: Today) -> float:
    """Today's throughput, its own or scaled from another's, with every change and speed-up up to the day."""
    tput = today.tput_per_gpu
    value = tput[name] if coming is None else tput[coming.like or name] * coming.throughput_factor
    for change in scenario.change:
        if change.accelerator in (name, ALL) and change.on <= day:
            value *= change.throughput_factor
    for speedup in scenario.speedup:
        if speedup.accelerator in (name, ALL):
            begun = max(scenario.start, coming.available) if coming else scenario.start
            quarters = max(0.0, (min(day, speedup.until or day) - begun).days / DAYS_PER_QUARTER)
            growth = today.growth[name] if speedup.per_quarter == "fitted" else speedup.per_quarter
            value *= (1 + growth) ** quarters
    return value


def _price(scenario: Scenario, day: date, name: str, coming: ComingAccelerator | None, today: Today) -> float | None:
    value = today.usd_per_gpu_h.get(name) if coming is None else coming.usd_per_gpu_h
    for change in scenario.change:
        if value is not None and change.accelerator in (name, ALL) and change.on <= day:
            value *= change.price_factor
    return value
