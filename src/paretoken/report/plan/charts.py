"""Positions of a plan's chart marks, in percent of the width: a chart fits any screen without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10

from paretoken.answers.plan.result import HourOfFleet, LimitOutcome, PlanRow
from paretoken.report.plan.words import cheapest
from paretoken.traffic.describe import HourOfTraffic

MOST_TICKS = 8
"""Labels on the axis of the hours."""
WIDE = 15.0
"""Ratio of the highest to the lowest cost above which the scale is logarithmic: from 0, low costs would overlap."""
HEIGHT = 100.0
"""Of a chart over the hours, in its own units; one hour is one unit wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMark:
    """A value with its interval on a line from 0 to 100 percent; `bound` is where a limit is."""

    at: float
    low: float
    high: float
    bound: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursChart:
    """Steps over hours as SVG paths in a box of `hours` by HEIGHT; ticks are (percent, label)."""

    hours: int
    paths: tuple[tuple[str, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostScale:
    """Dollars from `start` to `end`, which is from 0 unless it is logarithmic; ticks are (percent, label)."""

    start: float
    end: float
    ticks: tuple[tuple[float, str], ...] = ()

    @property
    def logarithmic(self) -> bool:
        return self.start > 0

    def percent(self, usd: float) -> float:
        """Where a cost is from left to right."""
        if not self.logarithmic:
            return _percent(usd, self.end)
        return _percent(log10(max(usd, self.start) / self.start), log10(self.end / self.start))


def cost_scale(rows: Sequence[PlanRow]) -> CostScale:
    """The scale that holds every interval: logarithmic where the ends are further apart than WIDE."""
    bills = [bill for row in rows if (bill := cheapest(row))]
    ends = [v for b in bills for v in (*(b.usd_per_day_90 or ()), b.usd_per_day) if v is not None and v > 0] or [1.0]
    low, high = min(ends), max(ends)
    start, end = (low / 1.1, high * 1.1) if high > WIDE * low else (0.0, high * 1.04)
    scale = CostScale(start=start, end=end)
    values = _round_numbers(start, end) if scale.logarithmic else _nice(end, 4)
    labels = (f"${v:,.4g}" if v < 1e4 else f"${v / 1e3:,g}k" if v < 1e6 else f"${v / 1e6:,g}M" for v in values)
    ticks = tuple((scale.percent(v), label) for v, label in zip(values, labels, strict=True))
    return CostScale(start=start, end=end, ticks=ticks)


def _round_numbers(start: float, end: float) -> list[float]:
    """1, 2 and 5 of each power of ten between, or the powers alone over two decades and more."""
    digits = (1, 2, 5) if end < 100 * start else (1,)
    powers = range(floor(log10(start)), floor(log10(end)) + 1)
    return [d * 10.0**p for p in powers for d in digits if start <= d * 10.0**p <= end]


def cost_mark(row: PlanRow, scale: CostScale) -> IntervalMark | None:
    """The cheapest bill of a row; None without one."""
    bill = cheapest(row)
    if bill is None:
        return None
    low, high = bill.usd_per_day_90 or (bill.usd_per_day, bill.usd_per_day)
    end = scale.percent(inf if high is None else high)
    return IntervalMark(at=scale.percent(bill.usd_per_day), low=scale.percent(low), high=end)


def limit_mark(limit: LimitOutcome) -> IntervalMark:
    """A limit's value between 0 and a little beyond the larger of its interval and its bound."""
    values = [inf if v is None else v for v in (limit.value, limit.low, limit.high)]
    end = max((v for v in (*values, limit.bound) if isfinite(v)), default=0.0) * 1.08 or 1.0
    at, low, high = (_percent(v, end) for v in values)
    return IntervalMark(at=at, low=low, high=high, bound=_percent(limit.bound, end))


def traffic_chart(hours: Sequence[HourOfTraffic], day_known: bool) -> HoursChart:
    """Requests per second of each hour."""
    rates = [h.rate_s for h in hours]
    return _chart([("rate", rates)], [h.hour for h in hours], day_known=day_known, area="rate")


def fleet_chart(hours: Sequence[HourOfFleet], day_known: bool) -> HoursChart:
    """Replicas that serve and that are rented in each hour."""
    series = [("rented", [float(h.rented) for h in hours]), ("serving", [float(h.replicas) for h in hours])]
    return _chart(series, [h.hour for h in hours], day_known=day_known, area="rented")


def _chart(
    series: Sequence[tuple[str, list[float]]], hours: Sequence[int], *, day_known: bool, area: str
) -> HoursChart:
    end = max((v for _, values in series for v in values), default=0.0) * 1.08 or 1.0
    paths: list[tuple[str, str]] = []
    for name, values in series:
        steps = _steps(values, end)
        if name == area:
            paths.append((f"area {name}", f"M0 {HEIGHT:g}V{steps[1:].split(' ', 1)[1]}V{HEIGHT:g}Z" if steps else ""))
        paths.append((name, steps))
    whole = all(v == int(v) for _, values in series for v in values)
    ticks = [v for v in _nice(end, 4) if not whole or v == int(v)]
    return HoursChart(
        hours=max(len(hours), 1),
        paths=tuple(paths),
        x_ticks=_hour_ticks(hours, day_known),
        y_ticks=tuple((_percent(v, end), f"{v:,g}") for v in ticks),
    )


def _steps(values: Sequence[float], end: float) -> str:
    """A path of horizontal lines an hour long, without corners where the value stays."""
    path, last = "", None
    for i, value in enumerate(values):
        y = f"{HEIGHT * (1 - value / end):.4g}"
        if last is None:
            path = f"M0 {y}"
        elif y != last:
            path += f"H{i}V{y}"
        last = y
    return f"{path}H{len(values)}" if values else ""


def _hour_ticks(hours: Sequence[int], day_known: bool) -> tuple[tuple[float, str], ...]:
    count = len(hours)
    step = next((s for s in (1, 2, 3, 6, 12, 24, 48, 168) if count <= s * MOST_TICKS), ceil(count / MOST_TICKS))
    ticks = []
    for i in range(0, count, step):
        label = f"day {i // 24 + 1}" if step >= 24 else f"{hours[i]:02d}:00" if day_known else f"{hours[i]} h"
        ticks.append((_percent(i, count), label))
    return tuple(ticks)


def _nice(end: float, most: int) -> list[float]:
    """0 and at most `most` round numbers up to `end`."""
    power = 10.0 ** floor(log10(end / most))
    step = next((m * power for m in (1, 2, 5, 10) if end / (m * power) <= most), 10 * power)
    return [i * step for i in range(int(end / step) + 1)]


def _percent(value: float, end: float) -> float:
    return round(100 * min(max(value / end, 0.0), 1.0), 2)
