"""Steps of one configuration at several loads on the same day as one change: what a reader acts on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from paretoken.history.series import AT_LATENCY, SeriesStep, ThroughputSeries, Value

Steps = list[tuple[ThroughputSeries, SeriesStep]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """Steps of one sign on one date, over the loads of a configuration.

    `change` is the median of the loads, `least` and `most` are the smallest and the largest in size; `low` and `high`
    the 95 % interval of the load with the median change. `loads` are in concurrent requests, or req/s in an open loop;
    empty at one latency. `series` is the number of series that the configuration has. Images and commits are those of
    the latest date before and of the first after.
    """

    of: Mapping[str, Value]
    date: str
    last_date_before: str
    change: float
    low: float
    high: float
    least: float
    most: float
    loads: tuple[float, ...]
    steps: int
    series: int
    regression: bool
    confirmed: bool
    image_before: str | None
    image_after: str | None
    commit_before: str | None
    commit_after: str | None


def configuration_changes(series: Sequence[ThroughputSeries]) -> list[ConfigurationChange]:
    """The changes of all configurations: confirmed ones first, then regressions, then by date, newest first."""
    total: dict[str, int] = {}
    for s in series:
        total[_name(s)] = total.get(_name(s), 0) + 1
    steps = sorted(((s, step) for s in series for step in s.steps), key=lambda x: _key(*x))
    changes = [_change(list(group), total) for _, group in groupby(steps, key=lambda x: _key(*x))]
    changes.sort(key=lambda c: c.date, reverse=True)
    return sorted(changes, key=lambda c: (not c.confirmed, not c.regression))


def _name(s: ThroughputSeries) -> str:
    return str([s.of[name] for name in AT_LATENCY])


def _key(s: ThroughputSeries, step: SeriesStep) -> tuple[str, str, bool]:
    return _name(s), step.date, step.regression


def _change(steps: Steps, total: Mapping[str, int]) -> ConfigurationChange:
    sizes = sorted((step.change for _, step in steps), key=abs)
    middle = min((step for _, step in steps), key=lambda step: abs(step.change - median(sizes)))
    series, nearest = max(steps, key=lambda x: x[1].last_date_before)
    loads = (s.of.get("concurrency") or s.of.get("request_rate") for s, _ in steps)
    return ConfigurationChange(
        of={name: series.of[name] for name in AT_LATENCY},
        date=nearest.date,
        last_date_before=nearest.last_date_before,
        change=middle.change,
        low=middle.low,
        high=middle.high,
        least=sizes[0],
        most=sizes[-1],
        loads=tuple(sorted(float(load) for load in loads if load)),
        steps=len(steps),
        series=total[_name(series)],
        regression=nearest.regression,
        confirmed=any(step.confirmed for _, step in steps),
        image_before=nearest.image_before,
        image_after=nearest.image_after,
        commit_before=nearest.commit_before,
        commit_after=nearest.commit_after,
    )
