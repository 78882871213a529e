"""Counters over a grid of steps: how far each rose in every step, with resets, and the steps without samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import BadFile
from paretoken.traffic.range_series import RangeSeries
from paretoken.traffic.traffic import Floats, Mask

MOST_STEPS = 2_000_000


@dataclass(frozen=True, slots=True)
class StepGrid:
    """Samples at `start_s + k * step_s` for k of 0 to `steps`, Unix time; step k lies between samples k and k + 1."""

    start_s: float
    step_s: float
    steps: int

    @classmethod
    def of(cls, series: Sequence[RangeSeries], source: str) -> StepGrid:
        """The grid of all samples: its step is the median distance of two samples of a series."""
        times = [s.time_s[np.isfinite(s.values)] for s in series]
        gaps = np.concatenate([np.diff(t) for t in times] or [np.empty(0)])
        gaps = gaps[gaps > 1e-3]
        if not len(gaps):
            raise BadFile(f"{source} has fewer than two samples of a counter; query a longer range")
        step_s = round(float(np.median(gaps)), 1) or 0.1
        start_s = min(float(t[0]) for t in times if len(t))
        steps = round((max(float(t[-1]) for t in times if len(t)) - start_s) / step_s)
        if not 1 <= steps <= MOST_STEPS:
            raise BadFile(f"{source} covers {steps:,} steps of {step_s:g} s; query at most {MOST_STEPS:,} of them")
        return cls(start_s, step_s, steps)


@dataclass(frozen=True, slots=True)
class Increase:
    """How far one series rose in each step, shape (steps,): 0 before its first and after its last sample.

    `missing` marks steps between them that have no sample at one end: what rose there is not known.
    `alive` marks those from the first to the last sample.
    """

    series: RangeSeries
    counts: Floats
    missing: Mask
    alive: Mask


def increase_of(series: RangeSeries, grid: StepGrid) -> Increase:
    """A counter that fell was reset, by a restart: it rose from 0 since then. Where a sum fell, the rise is missing."""
    values = np.full(grid.steps + 1, np.nan)
    place = np.clip(np.rint((series.time_s - grid.start_s) / grid.step_s).astype(np.int64), 0, grid.steps)
    finite = np.isfinite(series.values)
    values[place[finite]] = series.values[finite]
    present = np.flatnonzero(np.isfinite(values))
    alive = np.zeros(grid.steps, dtype=bool)
    if len(present):
        alive[present[0] : present[-1]] = True
    if series.per_s is not None:
        rose = values[1:] * series.per_s * grid.step_s
    else:
        rose = np.diff(values)
        rose = np.where(rose < 0, np.nan if series.summed else values[1:], rose)
    missing = alive & ~np.isfinite(rose)
    return Increase(series, np.where(alive & ~missing, rose, 0.0), missing, alive)


def total(increases: Iterable[Increase], steps: int) -> Floats:
    """The sum over series, shape (steps,)."""
    out = np.zeros(steps)
    for increase in increases:
        out += increase.counts
    return out


def scraped_once(series: Sequence[RangeSeries]) -> tuple[list[RangeSeries], int]:
    """The series without those of an instance that a second job scrapes, too, and how many were left out."""
    first: dict[tuple[object, ...], RangeSeries] = {}
    for s in series:
        job = "" if "instance" in s.labels else s.labels.get("job", "")
        key = (s.metric, job, *sorted((k, v) for k, v in s.labels.items() if k != "job"))
        other = first.get(key)
        if other is None or len(s.values) > len(other.values):
            first[key] = s
    return list(first.values()), len(series) - len(first)
