"""Who leads where: the latency axis cut into ranges with one winner each, and the crossovers between them.

What is compared is value = weight × throughput per GPU, where the weight of an accelerator is 1
(throughput) or 1 / its price (tokens per dollar, so the winner has the cheapest tokens).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan

import numpy as np
import numpy.typing as npt

from paretoken.frontier.brent import brent
from paretoken.frontier.curve import Curve, reach
from paretoken.frontier.pchip import Array

GRID = 240
TIE, LIKELY = 0.034, 0.09
"""Drift of one configuration from software alone: 3.4 % after 15-45 days, 9 % after 46-150 (medians)."""
TIE_PREDICTED, LIKELY_PREDICTED = 0.15, 0.45
"""With a prediction on either side: twice-drawn median error of a cell nobody measured (10 %, so 15 % for a
ratio of two), and the half-width of its 90 % interval. The shipped calibration is a little better than that (8 %, and
of E2E 40 %, half of what lies between the ends in logarithms), so the words err on the cautious side."""
THIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A range of latency with one winner. Margins are fractions of value over the best other accelerator.

    `confidence` is tie (median margin under 3.4 %), likely (under 9 %) or clear, with "thin" added if
    either side's curve has under 4 points, and "predicted" if either is predicted (then the bounds are
    15 % and 45 %); uncontested if nobody else has data there.
    `better_at_lower_latency` names the accelerator that gave more value than the winner gives anywhere
    in the range already at a lower latency, where its data end: there the winner wins for want of
    data, and who tolerates the latency would do better with the other.
    """

    low_s: float
    high_s: float
    winner: str
    engine: str
    origin: str
    runner_up: str | None
    margin: float | None
    margin_min: float | None
    margin_max: float | None
    confidence: str
    n_points: int
    better_at_lower_latency: str | None = None


@dataclass(frozen=True, slots=True)
class Crossover:
    """The latency at which the better of two accelerators changes; `ahead_below` leads at lower latency."""

    latency_s: float
    ahead_below: str
    ahead_above: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveGrid:
    """The curves of one panel on a common latency grid.

    `value` has shape (accelerators, grid): the best of an accelerator's curves for who tolerates that latency, NaN
    before its data begin and after all of them end; `curve_at` the index of the curve that gives it. `weight` is
    what throughputs were multiplied by, None for 1.
    """

    curves: tuple[Curve, ...]
    names: tuple[str, ...]
    latency_s: Array
    value: Array
    curve_at: npt.NDArray[np.int64]
    weight: Mapping[str, float] | None


def curve_grid(curves: Iterable[Curve], weight: Mapping[str, float] | None = None, grid: int = GRID) -> CurveGrid:
    """Curves on a grid, log-spaced over the union of their ranges with every end point in it.

    Accelerators without a weight are left out; without weights each counts 1.
    """
    kept = tuple(c for c in curves if weight is None or c.accelerator in weight)
    names = tuple(dict.fromkeys(c.accelerator for c in kept))
    if not kept:
        none = np.empty((0, 0))
        return CurveGrid(
            curves=(), names=(), latency_s=np.empty(0), value=none, curve_at=none.astype(np.int64), weight=weight
        )
    x, throughput = _sampled(kept, grid)
    scaled = throughput * np.array([[weight[c.accelerator] if weight else 1.0] for c in kept])
    rows = [[i for i, c in enumerate(kept) if c.accelerator == name] for name in names]
    value = np.array([_max(scaled[r]) for r in rows])
    best = np.array([np.array(r)[np.argmax(np.nan_to_num(scaled[r], nan=-1), axis=0)] for r in rows])
    return CurveGrid(curves=kept, names=names, latency_s=x, value=value, curve_at=best, weight=weight)


@lru_cache(maxsize=16)
def _sampled(curves: tuple[Curve, ...], grid: int) -> tuple[Array, Array]:
    """(the latencies of a grid, the throughput of every curve there): the same for every weight."""
    corners = np.array([corner for c in curves for corner in c.range_s])
    x = np.unique(np.concatenate([np.geomspace(corners.min(), corners.max(), grid), corners]))
    ends = reach(curves)
    return x, np.array([np.where(x <= ends[c.accelerator], c.within(x), np.nan) for c in curves])


def segments(grid: CurveGrid) -> list[Segment]:
    """The latency axis in ranges of one winner and one state of contest, by rising latency."""
    if not grid.names:
        return []
    filled = np.nan_to_num(grid.value, nan=-1.0)
    winner = np.argmax(filled, axis=0)
    covered = filled.max(axis=0) > 0
    contested = (filled > 0).sum(axis=0) > 1
    cuts = np.flatnonzero((np.diff(winner) != 0) | (np.diff(contested) != 0) | (np.diff(covered) != 0)) + 1
    spans = zip([0, *cuts], [*cuts, len(grid.latency_s)], strict=True)
    return [_segment(grid, filled, slice(int(a), int(b))) for a, b in spans if covered[a]]


def crossovers(grid: CurveGrid) -> list[Crossover]:
    """Every change of the overall winner where both accelerators have data on both sides, by latency."""
    filled = np.nan_to_num(grid.value, nan=-1.0)
    winner = np.argmax(filled, axis=0) if grid.names else np.empty(0, int)
    crossed = []
    for i in np.flatnonzero(np.diff(winner)):
        a, b = winner[i], winner[i + 1]
        gap = grid.value[a, i : i + 2] - grid.value[b, i : i + 2]
        if not np.isnan(gap).any():
            crossed.append(Crossover(_root(grid, int(a), int(b), int(i)), grid.names[a], grid.names[b]))
    return crossed


def pair_crossovers(grid: CurveGrid, one: str, other: str) -> list[Crossover]:
    """Every latency at which the sign of value(one) − value(other) changes."""
    if one not in grid.names or other not in grid.names:
        return []
    a, b = grid.names.index(one), grid.names.index(other)
    sign = np.sign(grid.value[a] - grid.value[b])
    changes = np.flatnonzero((sign[:-1] * sign[1:]) < 0)
    return [Crossover(_root(grid, a, b, int(i)), *((one, other) if sign[i] > 0 else (other, one))) for i in changes]


def better_at_lower_latency(
    curves: Sequence[Curve], latency_s: float, weight: Mapping[str, float] | None = None
) -> str | None:
    """The accelerator whose data end below the latency with more value than any that has data there gives."""
    best: dict[str, float] = {}
    for c in curves:
        if c.range_s[0] <= latency_s and (weight is None or c.accelerator in weight):
            value = c.value_within(latency_s) * (weight[c.accelerator] if weight else 1.0)
            best[c.accelerator] = max(best.get(c.accelerator, 0.0), value)
    there = [name for name, end in reach(curves).items() if end >= latency_s]
    leader = max(best, key=lambda name: best[name], default=None)
    return None if leader in there or not best.keys() & there else leader


def confidence(margin: float, n_points: int, origins: Iterable[str] = ()) -> str:
    """The word for a margin, with "thin" where the curves have few points and "predicted" where one is."""
    predicted = "predicted" in origins
    tie, likely = (TIE_PREDICTED, LIKELY_PREDICTED) if predicted else (TIE, LIKELY)
    word = "tie" if margin < tie else "likely" if margin < likely else "clear"
    return ", ".join([word, *(["thin"] if n_points < THIN else []), *(["predicted"] if predicted else [])])


def _segment(grid: CurveGrid, filled: Array, span: slice) -> Segment:
    part = filled[:, span]
    first = int(np.argmax(part[:, 0]))
    rest = np.delete(part, first, axis=0)
    middle = part.shape[1] // 2
    curve = grid.curves[grid.curve_at[first, span][middle]]
    low, high = float(grid.latency_s[span][0]), float(grid.latency_s[span][-1])
    alone = Segment(
        low_s=low,
        high_s=high,
        winner=grid.names[first],
        engine=curve.engine,
        origin=curve.origin,
        runner_up=None,
        margin=None,
        margin_min=None,
        margin_max=None,
        confidence="uncontested",
        n_points=len(curve.latency_s),
        better_at_lower_latency=better_at_lower_latency(grid.curves, high, grid.weight),
    )
    if rest.size == 0 or rest.max() <= 0:
        return alone
    margin = part[first] / rest.max(axis=0) - 1
    others = [n for i, n in enumerate(grid.names) if i != first]
    second = others[int(np.argmax(rest[:, middle]))]
    rival = grid.curves[grid.curve_at[grid.names.index(second), span][middle]]
    n_points = min(len(curve.latency_s), len(rival.latency_s))
    median = float(np.median(margin))
    return replace(
        alone,
        runner_up=second,
        margin=median,
        margin_min=float(margin.min()),
        margin_max=float(margin.max()),
        confidence=confidence(median, n_points, (curve.origin, rival.origin)),
        n_points=n_points,
    )


def _root(grid: CurveGrid, a: int, b: int, i: int) -> float:
    """The latency between grid points i and i + 1 at which two accelerators have the same value."""
    low, high = float(grid.latency_s[i]), float(grid.latency_s[i + 1])
    own = [[c for c in grid.curves if c.accelerator == grid.names[k]] for k in (a, b)]
    scale: list[float] = [float(grid.value[k, i]) / grid.curves[grid.curve_at[k, i]].value_within(low) for k in (a, b)]

    def value(of_accelerator: list[Curve], x: float) -> float:
        return max(v for c in of_accelerator if not isnan(v := c.value_within(x)))

    def gap(x: float) -> float:
        return scale[0] * value(own[0], x) - scale[1] * value(own[1], x)

    return brent(gap, low, high) if gap(low) * gap(high) < 0 else low


def _max(rows: Array) -> Array:
    """The largest of each column, NaN where all are."""
    best = np.nan_to_num(rows, nan=-np.inf).max(axis=0)
    return np.where(np.isinf(best), np.nan, best)
