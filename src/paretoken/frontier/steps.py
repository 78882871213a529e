"""Steps in a series of dated values: where the level changed and stayed changed, beyond the series' own noise.

Works on logarithms, so that a step is a ratio, in four passes:

1. An odd value is left out: one that lies off both neighbours, to the same side, by more than five times the noise
   (the first value: off the next two). The noise is taken from the median difference of neighbours, which steps and
   odd values hardly move.
2. Circular binary segmentation (Olshen et al. 2004): the arc of a segment whose mean differs most from the rest is cut
   out where Student's t finds it, with the probability corrected for the number of arcs (Bonferroni; half of it for
   arcs that reach an end of the segment, that is, for single steps). So a dip does not hide its own two steps.
3. A cut goes if a straight line over the days explains the two levels beside it as well as the step does: a drift.
4. Levels of what remains, and the 95 % interval of each change from the spread within levels.

A level lasts two values at least. The last value may be a level of its own, so that a change shows on its first day;
such a step is not confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    `p_value` is the probability of so clear a step in a series of pure noise. Not `confirmed`: the last value alone.
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
    cuts = _without_drifts(x, t, sorted(p_values), alpha)
    steps = _levelled(x, cuts, p_values, kept)
    return [step for step in steps if abs(step.change) >= smallest]


def odd_values(logs: Floats) -> npt.NDArray[np.bool_]:
    """The mask of single values off both neighbours to the same side, shape (n,); never the last."""
    odd = np.zeros(len(logs), dtype=bool)
    if len(logs) < FEWEST:
        return odd
    jumps = np.diff(logs)
    noise = math.sqrt(float(np.median(jumps**2)) / _MEDIAN_OF_SQUARES / 2 + NOISE_FLOOR**2)
    before = np.concatenate([[logs[0] - logs[2]], jumps[:-1]])
    after = -jumps
    odd[:-1] = (before * after > 0) & (np.minimum(np.abs(before), np.abs(after)) > ODD * noise)
    return odd


def best_arc(logs: Floats, *, open_end: bool = True) -> tuple[int, int, float] | None:
    """(start, end, p-value) of the arc of a segment that differs most from the rest; None if it is too short.

    `open_end` lets the last value be an arc by itself.
    """
    n = len(logs)
    if n < FEWEST:
        return None
    cuts = np.arange(SHORTEST, n if open_end else n - SHORTEST + 1)
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


def _p_value(t: Floats, freedom: int) -> Floats:
    """The probability of a t this far from zero, either way."""
    p: Floats = 2 * stdtr(freedom, -np.abs(t))
    return p


def _cuts(x: Floats, first: int, last: int, alpha: float) -> Iterator[tuple[int, float]]:
    """(index, p-value) of every cut of the segment from `first` up to `last`."""
    arc = best_arc(x[first:last], open_end=last == len(x))
    if arc is None or arc[2] >= alpha:
        return
    start, end, p = first + arc[0], first + arc[1], arc[2]
    yield from ((cut, p) for cut in (start, end) if cut < last)
    for a, b in ((first, start), (start, end), (end, last)):
        yield from _cuts(x, a, b, alpha)


def _without_drifts(x: Floats, t: Floats, cuts: list[int], alpha: float) -> list[int]:
    """The cuts that no straight line beside them makes needless."""
    while True:
        edges = [0, *cuts, len(x)]
        kept = [c for a, c, b in zip(edges, cuts, edges[2:], strict=False) if _is_step(x[a:b], t[a:b], c - a, alpha)]
        if kept == cuts:
            return cuts
        cuts = kept


def _is_step(x: Floats, t: Floats, cut: int, alpha: float) -> bool:
    """Whether two levels differ, and explain a segment better than a line over the days (by BIC: one parameter more)."""
    n = len(x)
    step = float(((x[:cut] - x[:cut].mean()) ** 2).sum() + ((x[cut:] - x[cut:].mean()) ** 2).sum())
    slope = float(((t - t.mean()) @ x) / ((t - t.mean()) ** 2).sum())
    line = float(((x - x.mean() - slope * (t - t.mean())) ** 2).sum())
    floor = n * NOISE_FLOOR**2
    if n * math.log((line + floor) / (step + floor)) <= math.log(n):
        return False
    error = math.sqrt((step / max(n - 2, 1) + NOISE_FLOOR**2) * (1 / cut + 1 / (n - cut)))
    return bool(_p_value(np.array((x[:cut].mean() - x[cut:].mean()) / error), max(n - 2, 1)) < alpha)


def _levelled(x: Floats, cuts: list[int], p_values: dict[int, float], index: Ints) -> list[LevelStep]:
    levels = [x[a:b] for a, b in pairwise([0, *cuts, len(x)])]
    freedom = max(len(x) - len(levels), 1)
    spread = math.sqrt(sum(float(((v - v.mean()) ** 2).sum()) for v in levels) / freedom + NOISE_FLOOR**2)
    wide = float(stdtrit(freedom, (1 + LEVEL) / 2)) * spread
    steps = []
    for cut, (before, after) in zip(cuts, pairwise(levels), strict=True):
        off = float(after.mean() - before.mean())
        half = wide * math.sqrt(1 / len(before) + 1 / len(after))
        steps.append(
            LevelStep(
                last=int(index[cut - 1]),
                index=int(index[cut]),
                before=math.exp(before.mean()),
                after=math.exp(after.mean()),
                low=math.expm1(off - half),
                high=math.expm1(off + half),
                p_value=p_values[cut],
                confirmed=len(after) >= SHORTEST,
            )
        )
    return steps
