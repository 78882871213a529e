"""A scenario played through: throughput, price, cost of tokens and break-even at every quarter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from paretoken.errors import BadConfig, NoData
from paretoken.prices.cost import break_even_rent, usd_per_mtok
from paretoken.prices.outlook.scenario import Coming, Scenario
from paretoken.prices.outlook.trend import DAYS_PER_QUARTER

ALL = "all"


@dataclass(frozen=True, slots=True)
class State:
    """One accelerator on one day of the scenario, at its latency.

    `break_even_usd_per_gpu_h` is against the reference that day; `origin` is always "scenario", `basis`
    says what today's frontier it starts from. Cost and price are None without a price.
    """

    day: date
    accelerator: str
    tput_per_gpu: float
    usd_per_gpu_h: float | None
    usd_per_mtok: float | None
    break_even_usd_per_gpu_h: float
    basis: str
    origin: str = "scenario"


def play(
    scenario: Scenario, tput: Mapping[str, float], usd_per_gpu_h: Mapping[str, float], growth: Mapping[str, float]
) -> list[State]:
    """Every accelerator at every quarter, by day and rising cost.

    `tput` and `usd_per_gpu_h` are today's at the scenario's latency; `growth` the fitted speed-up a
    quarter of the accelerators whose speed-up is to be fitted.
    """
    everything = _bases(scenario, tput)
    if scenario.reference not in everything:
        raise NoData(f"{scenario.reference}, the scenario's reference, has no data at that latency; name another")
    return [s for day in scenario.quarters() for s in _on(scenario, day, everything, tput, usd_per_gpu_h, growth)]


def changed(states: Sequence[State]) -> list[State]:
    """The states of the days on which anything differs from the day before."""
    kept, before = [], None
    for day in dict.fromkeys(s.day for s in states):
        today = [s for s in states if s.day == day]
        shape = [(s.accelerator, s.tput_per_gpu, s.usd_per_gpu_h) for s in today]
        kept += today if shape != before else []
        before = shape
    return kept


def winners(states: Sequence[State]) -> list[tuple[date, str, str | None, float | None]]:
    """(day, cheapest, next, margin) of every day that has a price."""
    found = []
    for day in dict.fromkeys(s.day for s in states):
        priced = [s for s in states if s.day == day and s.usd_per_mtok is not None]
        if priced:
            second = priced[1] if len(priced) > 1 else None
            margin = second.usd_per_mtok / priced[0].usd_per_mtok - 1 if second else None
            found.append((day, priced[0].accelerator, second.accelerator if second else None, margin))
    return found


def _bases(scenario: Scenario, tput: Mapping[str, float]) -> dict[str, Coming | None]:
    """Every accelerator of the scenario, and what it is derived from if it is still to come."""
    for c in scenario.coming:
        if c.like not in tput:
            raise NoData(f"{c.name} is to be like {c.like}, which has no data at that latency; name another")
        if c.name in tput:
            raise BadConfig(f"{c.name} has points of its own; use [[change]] or [[speedup]] for it")
    for name in (x.accelerator for x in (*scenario.change, *scenario.speedup)):
        if name != ALL and name not in tput and name not in {c.name for c in scenario.coming}:
            raise NoData(f"the scenario changes {name}, which has no data at that latency")
    return dict.fromkeys(tput) | {c.name: c for c in scenario.coming}


def _on(scenario, day, everything, tput, prices, growth) -> list[State]:
    speed = {
        a: _speed(scenario, day, a, c, tput, growth) for a, c in everything.items() if c is None or c.available <= day
    }
    usd = {a: _price(scenario, day, a, everything[a], prices) for a in speed}
    reference = scenario.reference
    at = usd.get(reference) or 0.0
    if not at or reference not in speed:
        raise NoData(f"{reference}, the scenario's reference, has no price on {day}; give one under [usd_per_gpu_h]")
    states = [
        State(
            day,
            a,
            v,
            usd[a],
            usd_per_mtok(usd[a], v) if usd[a] else None,
            break_even_rent(at, speed[reference], v),
            f"{everything[a].like} × {everything[a].throughput_factor:g}" if everything[a] else "own frontier",
        )
        for a, v in speed.items()
    ]
    return sorted(states, key=lambda s: (s.usd_per_mtok is None, s.usd_per_mtok or 0.0, s.accelerator))


def _speed(scenario, day, name: str, coming: Coming | None, tput, growth) -> float:
    """Today's throughput, or the likeness's, with every change and speed-up up to the day."""
    value = tput[name] if coming is None else tput[coming.like] * coming.throughput_factor
    for change in scenario.change:
        if change.accelerator in (name, ALL) and change.on <= day:
            value *= change.throughput_factor
    for speedup in scenario.speedup:
        if speedup.accelerator in (name, ALL):
            begun = max(scenario.start, coming.available) if coming else scenario.start
            quarters = max(0.0, (min(day, speedup.until or day) - begun).days / DAYS_PER_QUARTER)
            value *= (1 + (growth[name] if speedup.per_quarter == "fitted" else speedup.per_quarter)) ** quarters
    return value


def _price(scenario, day, name: str, coming: Coming | None, prices) -> float | None:
    value = prices.get(name) if coming is None else coming.usd_per_gpu_h
    for change in scenario.change:
        if value is not None and change.accelerator in (name, ALL) and change.on <= day:
            value *= change.price_factor
    return value
