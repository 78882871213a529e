"""Energy over a window from samples of power, by the trapezoid rule, if the samples cover the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_GAP = 3.0
"""Gaps between samples, in sampling intervals, that a window may hold; also from its ends to the nearest sample."""
FEWEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules over a window, or the `problem` that prevents them; `counter_j` is the count of the device itself."""

    joules: float | None
    mean_power_w: float | None
    seconds: float
    samples: int
    counter_j: float | None = None
    problem: str = ""


def integrate(
    at_s: Sequence[float] | Floats,
    power_w: Sequence[float] | Floats,
    start_s: float,
    end_s: float,
    interval_s: float,
    energy_j: Sequence[float] | Floats | None = None,
) -> Energy:
    """∫ P dt from `start_s` to `end_s`, with P linear between samples and read off at the ends.

    `at_s` rises. The window must lie inside the samples, or end within MOST_GAP intervals of them; no gap in it may be
    longer than that, and it must hold FEWEST samples.
    """
    at, power = np.asarray(at_s, float), np.asarray(power_w, float)
    inside = (at >= start_s) & (at <= end_s)
    problem = _problem(at, inside, start_s, end_s, interval_s)
    seconds = end_s - start_s
    if problem:
        return Energy(joules=None, mean_power_w=None, seconds=seconds, samples=int(inside.sum()), problem=problem)
    times = np.concatenate(([start_s], at[inside], [end_s]))
    joules = float(np.trapezoid(np.interp(times, at, power), times))
    counter = None
    if energy_j is not None:
        counted = np.asarray(energy_j, float)
        counter = float(np.interp(end_s, at, counted) - np.interp(start_s, at, counted))
    return Energy(
        joules=joules,
        mean_power_w=joules / seconds,
        seconds=seconds,
        samples=int(inside.sum()),
        counter_j=counter,
    )


def _problem(at: Floats, inside: npt.NDArray[np.bool_], start_s: float, end_s: float, interval_s: float) -> str:
    """Why the samples do not cover the window; nothing where they do."""
    if not end_s > start_s:
        return "the window is empty"
    count = int(inside.sum())
    if count < FEWEST:
        return f"{count} samples in the window and {FEWEST} are needed; sample more often or measure longer"
    before, after = at[at <= start_s], at[at >= end_s]
    left, right = before[-1] if len(before) else start_s, after[0] if len(after) else end_s
    gap, most = float(np.diff([left, *at[inside], right]).max()), MOST_GAP * interval_s
    return f"a gap of {gap:.1f} s between samples, more than {most:.1f} s" if gap > most else ""
