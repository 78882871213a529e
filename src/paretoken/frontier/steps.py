"""Steps in a series of dated values: where the level changed and stayed changed, beyond the series' own noise.

Works on logarithms, so that a step is a ratio, in four passes:

1. An odd value is left out: one that lies off both neighbours, to the same side, by more than five times the noise.
   The noise is taken from the median difference of neighbours, which steps and odd values hardly move.
2. Circular binary segmentation (Olshen et al. 2004): the arc of a segment whose mean differs most from the rest is cut
   out where Student's t finds it, with the probability corrected for the number of arcs (Bonferroni; half of it for
   arcs that reach an end of the segment, that is, for single steps). So a dip does not hide its own two steps.
3. A cut goes if a straight line over the days explains the two levels beside it as well as the step does: a drift.
4. Each change is that between the two levels beside it; its 95 % interval comes from the spread within all levels.

A level lasts two values at least. The first and the last value may be levels of their own, so that a change shows on
its first day; such a step is not confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST = 4
SHORTEST = 2
ODD = 5.0
NOISE_FLOOR = 1e-4
"""Relative spread that every measurement is assumed to have, so that after equal values a small change is no step."""
LEVEL = 0.95
_MEDIAN_OF_SQUARES = 0.4549
"""Median of the square of a standard normal deviate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelStep:
    """The value at `index` is the first of a new level, that at `last` the last of the level before.

    Levels are geometric means without odd values; `change` is after/before − 1, `low` and `high` its 95 % interval.
    `p_value` is the probability of so clear a step in a series of pure noise. Not `confirmed`: a level of the first or the last value alone.
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
    logs = np.log(np.asarray(values, float))
    when = np.arange(len(logs), dtype=float) if days is None else np.asarray(days, float)
    kept = np.flatnonzero(~odd_values(logs))
    x, t = logs[kept], when[kept]
    p_values = dict(_cuts(x, 0, len(x), alpha))
    cuts = sorted(p_values)
    lasting = _without_drifts(x, t, cuts, alpha)
    spread = _spread(x, cuts)
    steps = (
        _step(x[a:cut], x[cut:b], spread, kept[cut - 1 : cut + 1], p_values[cut])
        for a, cut, b in _beside(cuts, len(x))
        if cut in lasting
    )
    return [step for step in steps if abs(step.change) >= smallest]


def odd_values(logs: Floats) -> npt.NDArray[np.bool_]:
    """The mask of single values off both neighbours to the same side, shape (n,); never the first or the last."""
    odd = np.zeros(len(logs), dtype=bool)
    if len(logs) < FEWEST:
        return odd
    jumps = np.diff(logs)
    noise = math.sqrt(float(np.median(jumps**2)) / _MEDIAN_OF_SQUARES / 2 + NOISE_FLOOR**2)
    off = np.minimum(np.abs(jumps[:-1]), np.abs(jumps[1:]))
    odd[1:-1] = (jumps[:-1] * jumps[1:] < 0) & (off > ODD * noise)
    return odd


def best_arc(logs: Floats, *, first: bool = True, last: bool = True) -> tuple[int, int, float] | None:
    """(start, end, p-value) of the arc of a segment that differs most from the rest; None if it is too short.

    `first` and `last` let the first and the last value be levels of their own.
    """
    n = len(logs)
    if n < FEWEST:
        return None
    cuts = np.arange(1 if first else SHORTEST, n if last else n - SHORTEST + 1)
    start, end = (side.ravel() for side in np.meshgrid(cuts, [*cuts, n], indexing="ij"))
    legal = (end - start >= SHORTEST) | ((end == n) & (start < n))
    start, end = start[legal], end[legal]
    inside = end - start
    centred = logs - logs.mean()
    total = np.concatenate([[0.0], np.cumsum(centred)])
    between = (total[end] - total[start]) ** 2 * (1 / inside + 1 / (n - inside))
    within = np.maximum(float((centred**2).sum()) - between, 0.0) / (n - 2) + NOISE_FLOOR**2
    single = end == n
    tests = 2 * np.where(single, single.sum(), (~single).sum())
    p = np.minimum(_p_value(np.sqrt(between / within), n - 2) * tests, 1.0)
    at = int(np.argmin(p))
    return int(start[at]), int(end[at]), float(p[at])


def _p_value(t: Floats | float, freedom: int) -> Floats:
    """The probability of a t this far from zero, either way."""
    return np.asarray(2 * stdtr(freedom, -np.abs(t)))


def _cuts(x: Floats, first: int, last: int, alpha: float) -> Iterator[tuple[int, float]]:
    """(index, p-value) of every cut of the segment from `first` up to `last`."""
    arc = best_arc(x[first:last], first=first == 0, last=last == len(x))
    if arc is None or arc[2] >= alpha:
        return
    start, end, p = first + arc[0], first + arc[1], arc[2]
    yield from ((cut, p) for cut in (start, end) if cut < last)
    for a, b in ((first, start), (start, end), (end, last)):
        yield from _cuts(x, a, b, alpha)


def _beside(cuts: Sequence[int], n: int) -> Iterator[tuple[int, int, int]]:
    """(first of the level before, cut, end of the level after) of every cut of n values."""
    edges = [0, *cuts, n]
    return zip(edges, cuts, edges[2:], strict=False)


def _without_drifts(x: Floats, t: Floats, cuts: list[int], alpha: float) -> list[int]:
    """The cuts that stay steps when the others that do not are taken out."""
    while True:
        kept = [cut for a, cut, b in _beside(cuts, len(x)) if _is_step(x[a:b], t[a:b], cut - a, alpha)]
        if kept == cuts:
            return cuts
        cuts = kept


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
