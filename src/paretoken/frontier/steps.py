"""Steps in a series of dated values: where the level changed and stayed changed, beyond the series' own noise.

Works on logarithms, so that a step is a ratio, in four passes:

1. An odd value is left out: one that lies off both neighbours, to the same side, by more than eight times the noise.
   The noise is taken from the median difference of neighbours, which steps and odd values hardly move.
2. Every stretch of up to 12 values, longer ones of 16, 24, 32, 48, … and the whole are cut at every place, and the two
   sides' means are compared with the spread within them (Student's t). Of the cuts that noise does not explain, that of
   the narrowest stretch is taken, then those of what lies on either side of it (narrowest over threshold, Baranowski,
   Chen and Fryzlewicz 2019). So one step does not hide another. The probability is corrected for the number of cuts
   (Bonferroni), to the power of 0.9, as they overlap: a test holds the rate of false alarms.
3. A cut goes if a straight line over the days explains its stretch, or the two levels beside it, as well as the step
   does: a drift.
4. Each change is that between the two levels beside it; its 95 % interval comes from the spread within all levels.

A level lasts two values at least. The first and the last value may be levels of their own, so that a change shows on
its first day; such a step is not confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST = 4
SHORTEST, SHORT = 2, 12
ODD = 8.0
OVERLAP = 0.9
NOISE_FLOOR = 1e-4
"""Relative spread that every measurement is assumed to have, so that after equal values a small change is no step."""
LEVEL = 0.95
_MEDIAN_OF_SQUARES = 0.4549
"""Median of the square of a standard normal deviate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelStep:
    """The value at `index` is the first of a new level, that at `last` the last of the level before.

    Levels are geometric means without odd values; `change` is after/before − 1, `low` and `high` its 95 % interval.
    `p_value` is the probability of so clear a step in a series of pure noise. Not `confirmed`: a level of the first or
    the last value alone.
    """

    last: int
    index: int
    before: float
    after: float
    low: float
    high: float
    p_value: float
    confirmed: bool

    @property
    def change(self) -> float:
        return self.after / self.before - 1


def find_steps(
    values: Sequence[float], days: Sequence[float] | None = None, *, alpha: float = 0.01, smallest: float = 0.0
) -> list[LevelStep]:
    """The steps of positive values in order of time, without those below `smallest` (a ratio − 1).

    `days` says when each value was taken, evenly spaced if left out; a gap is no step. Of series of pure noise a share
    of `alpha` has a step.
    """
    if len(values) < FEWEST:
        return []
    logs = np.log(np.asarray(values, float))
    when = np.arange(len(logs), dtype=float) if days is None else np.asarray(days, float)
    kept = np.flatnonzero(~odd_values(logs))
    x, t = logs[kept], when[kept]
    cuts = _cuts(x, alpha)
    edges = [0, *(c.at for c in cuts), len(x)]
    spread = _spread(x, edges[1:-1])
    steps = (
        _step(x[a : c.at], x[c.at : b], spread, kept[c.at - 1 : c.at + 1], c.p_value)
        for a, c, b in zip(edges, cuts, edges[2:], strict=False)
        if all(_is_step(x[i:k], t[i:k], c.at - i, alpha) for i, k in ((c.first, c.end), (a, b)))
    )
    return [step for step in steps if abs(step.change) >= smallest]


def odd_values(logs: Floats) -> npt.NDArray[np.bool_]:
    """The mask of single values off both neighbours to the same side, shape (n,); never the first or the last."""
    odd = np.zeros(len(logs), dtype=bool)
    jumps = np.diff(logs)
    noise = math.sqrt(float(np.median(jumps**2)) / _MEDIAN_OF_SQUARES / 2 + NOISE_FLOOR**2)
    off = np.minimum(np.abs(jumps[:-1]), np.abs(jumps[1:]))
    odd[1:-1] = (jumps[:-1] * jumps[1:] < 0) & (off > ODD * noise)
    return odd


class _Cut(NamedTuple):
    """A stretch of values from `first` up to `end`, cut before `at`."""

    first: int
    at: int
    end: int
    p_value: float


@cache
def _stretches(n: int) -> tuple[Ints, Ints, Ints]:
    """(first, cut, end) of every cut of the stretches of n values; both sides two values long, but at the very ends."""
    longer = {size << k for k in range(n.bit_length()) for size in (16, 24)}
    sizes = [size for size in range(FEWEST, n + 1) if size <= SHORT or size in longer or size == n]
    parts = []
    for size in sizes:
        first, inside = (axis.ravel() for axis in np.meshgrid(np.arange(n - size + 1), np.arange(1, size)))
        left = (inside >= SHORTEST) | (first == 0)
        right = (size - inside >= SHORTEST) | (first + size == n)
        parts.append(np.stack([first, first + inside, first + size])[:, left & right])
    first, cut, end = np.concatenate(parts, axis=1)
    return first, cut, end


def _cuts(x: Floats, alpha: float) -> list[_Cut]:
    """The cuts of a series, by their places."""
    first, cut, end = _stretches(len(x))
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (x - x.mean(), (x - x.mean()) ** 2))
    before, after, size = cut - first, end - cut, end - first
    left, right = sums[cut] - sums[first], sums[end] - sums[cut]
    within = squares[end] - squares[first] - left**2 / before - right**2 / after
    variance = np.maximum(within, 0.0) / (size - 2) + NOISE_FLOOR**2
    t = (left / before - right / after) / np.sqrt(variance * (1 / before + 1 / after))
    p = np.minimum(_p_value(t, size - 2) * len(t) ** OVERLAP, 1.0)
    clear = np.flatnonzero(p < alpha)
    order = clear[np.lexsort((p[clear], size[clear]))]
    return _narrowest([_Cut(int(first[i]), int(cut[i]), int(end[i]), float(p[i])) for i in order], 0, len(x))


def _narrowest(cuts: list[_Cut], low: int, high: int) -> list[_Cut]:
    """The first cut whose stretch is inside the bounds, between those on either side of it."""
    inside = [c for c in cuts if low <= c.first and c.end <= high]
    if not inside:
        return []
    best = inside[0]
    return [*_narrowest(inside, low, best.at), best, *_narrowest(inside, best.at, high)]


def _p_value(t: Floats | float, freedom: Ints | int) -> Floats:
    """The probability of a t this far from zero, either way."""
    return np.asarray(2 * stdtr(freedom, -np.abs(t)))


def _is_step(x: Floats, t: Floats, cut: int, alpha: float) -> bool:
    """Whether there is a step at a cut: two levels that differ fit better than a line over the days does (by BIC), or
    the line's slope on both sides does not explain what lies between them.
    """
    n, after = len(x), (np.arange(len(x)) >= cut).astype(float)
    level, line = np.stack([np.ones(n), after]), np.stack([np.ones(n), t - t.mean()])
    within, jump = _fitted(x, level)
    floor = n * NOISE_FLOOR**2
    better = n * math.log((_fitted(x, line)[0] + floor) / (within + floor)) > math.log(n)
    return (better and jump < alpha) or (n > FEWEST and _fitted(x, np.stack([*line, after]))[1] < alpha)


def _fitted(x: Floats, regressors: Floats) -> tuple[float, float]:
    """(residual sum of squares, p-value of the last regressor) of a least-squares fit."""
    inverse = np.linalg.pinv(regressors @ regressors.T)
    values = inverse @ (regressors @ x)
    freedom = max(len(x) - len(regressors), 1)
    left = float(((x - values @ regressors) ** 2).sum())
    error = math.sqrt((left / freedom + NOISE_FLOOR**2) * max(float(inverse[-1, -1]), 1e-300))
    return left, float(_p_value(values[-1] / error, freedom))


def _spread(x: Floats, cuts: Sequence[int]) -> tuple[float, int]:
    """(standard deviation within the levels, its degrees of freedom)."""
    levels = np.split(x, cuts)
    freedom = max(len(x) - len(levels), 1)
    squares = sum(float(((level - level.mean()) ** 2).sum()) for level in levels)
    return math.sqrt(squares / freedom + NOISE_FLOOR**2), freedom


def _step(before: Floats, after: Floats, spread: tuple[float, int], index: Ints, p_value: float) -> LevelStep:
    deviation, freedom = spread
    off = float(after.mean() - before.mean())
    quantile = float(stdtrit(freedom, (1 + LEVEL) / 2))
    half = quantile * deviation * math.sqrt(1 / len(before) + 1 / len(after))
    return LevelStep(
        last=int(index[0]),
        index=int(index[1]),
        before=math.exp(before.mean()),
        after=math.exp(after.mean()),
        low=math.expm1(off - half),
        high=math.expm1(off + half),
        p_value=p_value,
        confirmed=min(len(before), len(after)) >= SHORTEST,
    )
