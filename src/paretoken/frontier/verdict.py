"""Who leads at which latency limit: ranges with one winner each, the crossovers between them, and how firm each is.

What is compared is value = weight × throughput per GPU, where the weight of an accelerator is 1
(throughput) or 1 / its price (tokens per dollar, so the winner has the cheapest tokens). A limit is met by whatever
is faster, so an accelerator counts at every limit that its fastest point meets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from paretoken.frontier.acceptance import unlike, unstated
from paretoken.frontier.brent import brent
from paretoken.frontier.compare import limit_text
from paretoken.frontier.consistency import (
    LIKELY,
    LIKELY_PREDICTED,
    TIE,
    TIE_PREDICTED,
    HardwareOrder,
    Inconsistency,
    Leader,
    inconsistencies,
    is_stale,
    noise,
    point_title,
)
from paretoken.frontier.curve import Curve
from paretoken.frontier.pchip import Array
from paretoken.points.software import days_apart

GRID = 240
THIN = 4
NEAR_CROSSOVER = 1.05
"""A verdict is fragile within this ratio of a latency at which the winner changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Who leads at one latency limit. The margin is a fraction of value over the best other accelerator.

    `confidence` is tie (margin under 3.4 %), likely (under 9 %) or clear, with "thin" added if either side's curve
    has under 4 points, and "predicted" if either is predicted (then the bounds are 15 % and 45 %); "uncontested" if
    nobody else meets the limit. `fragile` says why a little change would turn it; `data_end` which accelerators led
    until their data end, below the limit, and may serve more there; `withheld` why there is no verdict: then nobody
    counts as winner. `acceptance` names the sides that draft tokens without a stated acceptance length. `days_apart`
    is the time between the software dates of the two sides.
    """

    winner: str
    engine: str
    origin: str
    runner_up: str | None = None
    margin: float | None = None
    confidence: str = "uncontested"
    n_points: int
    days_apart: int | None = None
    fragile: str | None = None
    data_end: str | None = None
    withheld: str | None = None
    acceptance: str | None = None

    @property
    def stale(self) -> bool:
        """Whether the two sides' software is more than 90 days apart."""
        return is_stale(self.days_apart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Verdict):
    """A range of latency limits with one winner; the margin is the median over the range."""

    low_s: float
    high_s: float
    margin_min: float | None = None
    margin_max: float | None = None


@dataclass(frozen=True, slots=True)
class Crossover:
    """The latency at which the better of two accelerators changes; `ahead_below` leads at lower latency."""

    latency_s: float
    ahead_below: str
    ahead_above: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveGrid:
    """The curves of one panel on a common grid of latency limits.

    `value` has shape (accelerators, grid): the best of an accelerator's curves at or inside that limit, NaN
    before its data begin; `curve_at` the index of the curve that gives it. `weight` is what throughputs were
    multiplied by, None for 1; `order` the pairs (better, worse) of hardware.
    """

    curves: tuple[Curve, ...]
    names: tuple[str, ...]
    latency_s: Array
    value: Array
    curve_at: npt.NDArray[np.int64]
    weight: Mapping[str, float] | None
    order: HardwareOrder


def curve_grid(
    curves: Iterable[Curve],
    weight: Mapping[str, float] | None = None,
    order: HardwareOrder = frozenset(),
    grid: int = GRID,
) -> CurveGrid:
    """Curves on a grid, log-spaced over the union of their ranges with every end point in it.

    Accelerators without a weight are left out; without weights each counts 1.
    """
    kept = tuple(c for c in curves if weight is None or c.accelerator in weight)
    names = tuple(dict.fromkeys(c.accelerator for c in kept))
    if not kept:
        none = np.empty((0, 0))
        return CurveGrid(
            curves=(),
            names=(),
            latency_s=np.empty(0),
            value=none,
            curve_at=none.astype(np.int64),
            weight=weight,
            order=order,
        )
    x, throughput = _sampled(kept, grid)
    scaled = throughput * np.array([[weight[c.accelerator] if weight else 1.0] for c in kept])
    rows = [[i for i, c in enumerate(kept) if c.accelerator == name] for name in names]
    value = np.array([_max(scaled[r]) for r in rows])
    best = np.array([np.array(r)[np.argmax(np.nan_to_num(scaled[r], nan=-1), axis=0)] for r in rows])
    return CurveGrid(curves=kept, names=names, latency_s=x, value=value, curve_at=best, weight=weight, order=order)


@lru_cache(maxsize=16)
def _sampled(curves: tuple[Curve, ...], grid: int) -> tuple[Array, Array]:
    """(the latencies of a grid, the throughput of every curve there): the same for every weight."""
    corners = np.array([corner for c in curves for corner in c.range_s])
    x = np.unique(np.concatenate([np.geomspace(corners.min(), corners.max(), grid), corners]))
    return x, np.array([c.within(x) for c in curves])


def segments(grid: CurveGrid) -> list[Segment]:
    """The latency axis in ranges of one winner and one state of contest and of consistency, by rising latency."""
    if not grid.names:
        return []
    filled = np.nan_to_num(grid.value, nan=-1.0)
    winner, second = _first_two(filled)
    contested = (filled > 0).sum(axis=0) > 1
    second = np.where(contested, second, winner)
    withheld = _withheld(grid, winner, second) | _unlike(grid, winner, second)
    changes = (np.diff(winner) != 0) | (np.diff(contested) != 0) | (np.diff(withheld) != 0)
    cuts = np.flatnonzero(changes) + 1
    spans = zip([0, *cuts], [*cuts, len(grid.latency_s)], strict=True)
    return [_segment(grid, filled, slice(int(a), int(b))) for a, b in spans]


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


def leaders(curves: Iterable[Curve], latency_s: float) -> dict[str, Leader]:
    """The best curve of each accelerator that meets the limit."""
    best: dict[str, Leader] = {}
    for c in curves:
        if c.range_s[0] <= latency_s:
            leader = Leader(c, c.value_within(latency_s))
            if c.accelerator not in best or leader.tput_per_gpu > best[c.accelerator].tput_per_gpu:
                best[c.accelerator] = leader
    return best


def verdict_at(
    curves: Sequence[Curve],
    latency_s: float,
    weight: Mapping[str, float] | None = None,
    order: HardwareOrder = frozenset(),
) -> Verdict | None:
    """Who leads at one latency limit, and how firmly; None if nobody with a weight meets it."""
    best = leaders((c for c in curves if weight is None or c.accelerator in weight), latency_s)
    ranked = sorted(best.values(), key=lambda leader: -_value(leader, weight))
    if not ranked:
        return None
    first, rest = ranked[0], ranked[1:]
    alone = Verdict(
        winner=first.accelerator,
        engine=first.curve.engine,
        origin=first.curve.origin,
        n_points=len(first.curve.latency_s),
    )
    if not rest:
        return alone
    second = rest[0]
    margin = _value(first, weight) / _value(second, weight) - 1
    n_points = min(alone.n_points, len(second.curve.latency_s))
    sides = {first.accelerator, second.accelerator}
    contradictions = [i for i in inconsistencies(curves, best, latency_s, order) if i.bars(sides)]
    return replace(
        alone,
        runner_up=second.accelerator,
        margin=margin,
        confidence=confidence(margin, n_points, (first.curve.origin, second.curve.origin)),
        n_points=n_points,
        days_apart=days_apart(first.curve.date, second.curve.date),
        fragile=_fragile(curves, latency_s, weight, first, second),
        data_end=data_end(curves, latency_s, weight),
        withheld=str(contradictions[0]) if contradictions else unlike(first.curve, second.curve, latency_s),
        acceptance=unstated(first.curve, second.curve, latency_s),
    )


def data_end(curves: Sequence[Curve], latency_s: float, weight: Mapping[str, float] | None = None) -> str | None:
    """Who led the winner where its own data end, well below the limit: at the limit it was not run."""
    priced = [c for c in curves if weight is None or c.accelerator in weight]
    first = max(leaders(priced, latency_s).values(), key=lambda leader: _value(leader, weight), default=None)
    ends: dict[str, float] = {}
    for c in priced:
        ends[c.accelerator] = max(ends.get(c.accelerator, 0.0), c.range_s[1])
    led = []
    for name, end_s in ends.items():
        if first is None or name == first.accelerator or end_s * NEAR_CROSSOVER >= latency_s:
            continue
        there = leaders(priced, end_s)
        winner = there.get(first.accelerator)
        if winner is None or _value(there[name], weight) >= _value(winner, weight):
            led.append(f"{name} led until its data end, at {limit_text(end_s, curves[0].axis)}")
    return "; ".join(led) or None


def grid_inconsistencies(grid: CurveGrid) -> list[Inconsistency]:
    """One for each pair out of order anywhere on the grid, at the middle of the limits where it is."""
    pairs: list[Inconsistency] = []
    for b, w, bad in _out_of_order(grid):
        at = grid.latency_s[bad].tolist()
        if at:
            middle, pair = at[len(at) // 2], frozenset({(grid.names[b], grid.names[w])})
            here = inconsistencies(grid.curves, leaders(grid.curves, middle), middle, pair)
            pairs += (replace(i, range_s=(at[0], at[-1])) for i in here)
    return pairs


def confidence(margin: float, n_points: int, origins: Iterable[str] = ()) -> str:
    """The word for a margin, with "thin" where the curves have few points and "predicted" where one is."""
    predicted = "predicted" in origins
    tie, likely = (TIE_PREDICTED, LIKELY_PREDICTED) if predicted else (TIE, LIKELY)
    word = "tie" if margin < tie else "likely" if margin < likely else "clear"
    return ", ".join([word, *(["thin"] if n_points < THIN else []), *(["predicted"] if predicted else [])])


def _value(leader: Leader, weight: Mapping[str, float] | None) -> float:
    return leader.tput_per_gpu * (weight[leader.accelerator] if weight else 1.0)


def _fragile(
    curves: Sequence[Curve], latency_s: float, weight: Mapping[str, float] | None, first: Leader, second: Leader
) -> str | None:
    """Why a verdict would turn with a small change of the limit, or without one load level; None if it would not."""
    for limit in (latency_s / NEAR_CROSSOVER, latency_s * NEAR_CROSSOVER):
        near = leaders((c for c in curves if weight is None or c.accelerator in weight), limit)
        winner = max(near.values(), key=lambda leader: _value(leader, weight), default=None)
        if winner is None or winner.accelerator != first.accelerator:
            return "within 5 % of a latency at which the winner changes"
    others = [c for c in curves if c.accelerator == first.accelerator and c is not first.curve]
    around = range(*first.curve.around(min(latency_s, first.curve.range_s[1])).indices(len(first.curve.latency_s)))
    for place in around:
        reduced = first.curve.without(place)
        left = leaders([*others, *([reduced] if reduced else [])], latency_s).get(first.accelerator)
        if left is None or _value(left, weight) < _value(second, weight):
            return f"one load level decides it ({first.accelerator} {point_title(first.curve.rows[place])})"
    return None


def _first_two(filled: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The places of the largest and the second largest of each column."""
    first = np.argmax(filled, axis=0)
    rest = filled.copy()
    rest[first, np.arange(filled.shape[1])] = -np.inf
    return first, np.argmax(rest, axis=0)


def _throughput(grid: CurveGrid, row: int) -> Array:
    """The unweighted throughput of an accelerator on the grid."""
    return np.asarray(grid.value[row] / (grid.weight[grid.names[row]] if grid.weight else 1.0))


def _out_of_order(grid: CurveGrid) -> list[tuple[int, int, npt.NDArray[np.bool_]]]:
    """(better, worse, where the better is slower by more than the noise) of each pair of hardware on the grid."""
    place = {name: i for i, name in enumerate(grid.names)}
    pairs = [(place[b], place[w]) for b, w in sorted(grid.order) if b in place and w in place]
    checked = []
    for b, w in pairs:
        codes, back = np.unique(grid.curve_at[b] * len(grid.curves) + grid.curve_at[w], return_inverse=True)
        floor = np.array([1 - noise(*(grid.curves[i] for i in divmod(int(code), len(grid.curves)))) for code in codes])
        with np.errstate(invalid="ignore"):
            checked.append((b, w, _throughput(grid, b) < floor[back] * _throughput(grid, w)))
    return checked


def _withheld(grid: CurveGrid, winner: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Where a pair out of order bars the verdict between winner and runner-up; see `Inconsistency.bars`."""
    out = np.zeros(len(grid.latency_s), dtype=bool)
    for b, w, bad in _out_of_order(grid):
        both = np.isin(winner, (b, w)) & np.isin(second, (b, w)) & (winner != second)
        either = np.isin(winner, (b, w)) | np.isin(second, (b, w))
        out |= bad & np.where(_ran_engine_of(grid, b, w), either, both)
    return out


def _unlike(grid: CurveGrid, winner: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Where winner and runner-up draft tokens at unlike acceptance."""
    out = np.zeros(len(grid.latency_s), dtype=bool)
    states = [c.points["acceptance_length"].is_not_null().any() for c in grid.curves]
    if sum(states) < 2:
        return out
    for i, latency_s in enumerate(grid.latency_s.tolist()):
        a, b = grid.curve_at[winner[i], i], grid.curve_at[second[i], i]
        out[i] = states[a] and states[b] and unlike(grid.curves[a], grid.curves[b], latency_s) is not None
    return out


def _ran_engine_of(grid: CurveGrid, better: int, worse: int) -> npt.NDArray[np.bool_]:
    """Where the better has a curve of the engine that is the best of the worse."""
    begins: dict[str, float] = {}
    for c in grid.curves:
        if c.accelerator == grid.names[better]:
            begins[c.engine] = min(begins.get(c.engine, np.inf), c.range_s[0])
    first = np.array([begins.get(c.engine, np.inf) for c in grid.curves])
    return np.asarray(first[grid.curve_at[worse]] <= grid.latency_s)


def _segment(grid: CurveGrid, filled: Array, span: slice) -> Segment:
    part = filled[:, span]
    middle = float(grid.latency_s[span][part.shape[1] // 2])
    verdict = verdict_at(grid.curves, middle, grid.weight, grid.order)
    if verdict is None:
        raise AssertionError(f"no curve begins at {middle} s or before, which is on the grid of them")
    low, high = float(grid.latency_s[span][0]), float(grid.latency_s[span][-1])
    values = {name: getattr(verdict, name) for name in Verdict.__slots__}
    if verdict.runner_up is None:
        return Segment(**values, low_s=low, high_s=high)
    first = int(np.argmax(part[:, part.shape[1] // 2]))
    margin = part[first] / np.delete(part, first, axis=0).max(axis=0) - 1
    median = float(np.median(margin))
    predicted = [verdict.origin, *(["predicted"] if "predicted" in verdict.confidence else [])]
    values |= {"margin": median, "confidence": confidence(median, verdict.n_points, predicted)}
    return Segment(**values, low_s=low, high_s=high, margin_min=float(margin.min()), margin_max=float(margin.max()))


def _root(grid: CurveGrid, a: int, b: int, i: int) -> float:
    """The latency between grid points i and i + 1 at which two accelerators have the same value."""
    low, high = float(grid.latency_s[i]), float(grid.latency_s[i + 1])
    own = [[c for c in grid.curves if c.accelerator == grid.names[k]] for k in (a, b)]
    scale = [grid.weight[grid.names[k]] if grid.weight else 1.0 for k in (a, b)]

    def value(of_accelerator: list[Curve], x: float) -> float:
        return max(c.value_within(x) for c in of_accelerator if c.range_s[0] <= x)

    def gap(x: float) -> float:
        return scale[0] * value(own[0], x) - scale[1] * value(own[1], x)

    return brent(gap, low, high) if gap(low) * gap(high) < 0 else low


def _max(rows: Array) -> Array:
    """The largest of each column, NaN where all are."""
    best = np.nan_to_num(rows, nan=-np.inf).max(axis=0)
    return np.where(np.isinf(best), np.nan, best)
