"""Whether throughput at equal latency dropped beyond noise: new runs against a baseline.

Both sides are drawn anew many times: whole runs with replacement where a side has several (the spread between runs is
then in the noise), and each level's latency and throughput by its own standard error. Each draw gives a curve (Pareto
points) and so a ratio at each latency. A drop is a regression where even the upper end of
its interval lies below what is allowed; with several latencies and configurations the ends lie further out
(Bonferroni), so that one check in twenty of equal runs, not one latency in twenty, is a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from paretoken.errors import NoData
from paretoken.frontier import Axis, from_axis
from paretoken.history.runs import SAME, RunCurve

DRAWS = 1_000
ALPHA = 0.05
LATENCIES = 3
"""How many latencies are looked at where none is asked for: spaced by ratio inside what both sides reach."""
ENOUGH = 0.5
"""Share of the draws that must reach a latency."""


@dataclass(frozen=True, slots=True)
class Change:
    """Throughput (total tok/s/GPU) at one latency before and after; `change` is after/before − 1 with its interval.

    `at` is in the axis's own unit. `runs` says how many runs each side had: with one, the spread between runs is not
    in the interval.
    """

    of: dict[str, Any]
    axis: Axis
    at: float
    before: float
    after: float
    low: float
    high: float
    allowed: float
    runs: tuple[int, int]

    @property
    def change(self) -> float:
        return self.after / self.before - 1

    @property
    def regression(self) -> bool:
        return self.high < -self.allowed

    def __str__(self) -> str:
        unit = "s E2E" if self.axis == "e2e" else "tok/s/user"
        what = " ".join(str(v) for k, v in self.of.items() if v is not None and k not in ("isl", "osl"))
        word = "REGRESSION" if self.regression else "ok"
        return (
            f"{word}: {what} {self.of['isl']}/{self.of['osl']} at {self.at:.4g} {unit}: {self.before:,.1f} → "
            f"{self.after:,.1f} tok/s/GPU, {self.change:+.1%} ({self.low:+.1%} to {self.high:+.1%})"
        )


def changes(
    baseline: Sequence[RunCurve],
    new: Sequence[RunCurve],
    axis: Axis,
    at: Sequence[float] = (),
    allowed: float = 0.02,
    seed: int = 0,
) -> list[Change]:
    """Every configuration that both sides have, at each latency; NoData if there is none, or no latency in common."""
    both = [key for key in dict.fromkeys(c.of for c in baseline) if any(c.of == key for c in new)]
    if not both:
        raise NoData(f"the runs have no configuration in common: {_names(baseline)} against {_names(new)}")
    sides = [([c for c in baseline if c.of == key], [c for c in new if c.of == key]) for key in both]
    asked = [(key, a, b, x) for key, (a, b) in zip(both, sides, strict=True) for x in _latencies(a, b, axis, at)]
    if not asked:
        raise NoData("the curves have no latency in common; measure more levels, or ask for another --e2e")
    tail = ALPHA / len(asked)
    rng = np.random.default_rng([seed, 0xC4EC])
    found = [_change(key, a, b, x, axis, allowed, tail, rng) for key, a, b, x in asked]
    if not any(found):
        raise NoData("the curves have too little in common at the latencies asked for; measure more levels")
    return [change for change in found if change is not None]


def curve(latency_s: np.ndarray, tok_s: np.ndarray, at_s: float) -> float:
    """Throughput at a latency on the frontier of some levels, monotone cubic between them; NaN outside it."""
    x, y = _frontier(latency_s, tok_s)
    if not x[0] <= at_s <= x[-1]:
        return float("nan")
    return float(PchipInterpolator(x, y)(at_s)) if len(x) > 1 else float(y[0])


def _quick(latency_s: np.ndarray, tok_s: np.ndarray, at_s: float) -> float:
    """The same with straight lines between the logarithms: for the draws, whose middle is moved to the cubic's."""
    x, y = _frontier(latency_s, tok_s)
    return float(np.exp(np.interp(np.log(at_s), np.log(x), np.log(y)))) if x[0] <= at_s <= x[-1] else float("nan")


def _frontier(latency_s: np.ndarray, tok_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The levels that no other beats, by rising latency; of equal latencies the faster."""
    order = np.lexsort((-tok_s, latency_s))
    x, y = latency_s[order], tok_s[order]
    best = np.concatenate(([True], y[1:] > np.maximum.accumulate(y)[:-1]))
    return x[best], y[best]


def _change(
    key: tuple[Any, ...],
    a: list[RunCurve],
    b: list[RunCurve],
    at_s: float,
    axis: Axis,
    allowed: float,
    tail: float,
    rng: np.random.Generator,
) -> Change | None:
    before, after = (_typical([curve(c.latency_s, c.tok_s, at_s) for c in side]) for side in (a, b))
    plain, plainly = (_typical([_quick(c.latency_s, c.tok_s, at_s) for c in side]) for side in (a, b))
    ratios = np.array([_draw(b, at_s, rng) / _draw(a, at_s, rng) for _ in range(DRAWS)])
    ratios = ratios[np.isfinite(ratios)] * (after / before) / (plainly / plain) - 1
    if not (before > 0 and after > 0) or len(ratios) < ENOUGH * DRAWS:
        return None
    low, high = np.quantile(ratios, [tail, 1 - tail])
    of = dict(zip(SAME, key, strict=True))
    return Change(of, axis, from_axis(at_s, axis), before, after, float(low), float(high), allowed, (len(a), len(b)))


def _draw(side: list[RunCurve], at_s: float, rng: np.random.Generator) -> float:
    """One value at a latency that the side might have given: the mean over runs drawn with replacement."""
    drawn = [side[i] for i in rng.integers(len(side), size=len(side))]
    values = [_quick(rng.normal(c.latency_s, c.latency_se_s), rng.normal(c.tok_s, c.tok_s_se), at_s) for c in drawn]
    return _typical(values)


def _typical(values: list[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")


def _latencies(a: list[RunCurve], b: list[RunCurve], axis: Axis, at: Sequence[float]) -> list[float]:
    """Latencies to look at, s: those asked for, else some inside what every run reaches."""
    if at:
        return [x if axis == "e2e" else 1 / x for x in at]
    low = max(float(c.latency_s.min()) for c in (*a, *b))
    high = min(float(_top(c)) for c in (*a, *b))
    if not low < high:
        return []
    return np.geomspace(low, high, LATENCIES + 2)[1:-1].tolist()


def _top(c: RunCurve) -> float:
    """The latency of the highest throughput: past it the frontier ends."""
    return float(c.latency_s[int(np.argmax(c.tok_s))])


def _names(side: Sequence[RunCurve]) -> str:
    return "; ".join(" ".join(str(v) for v in key if v is not None) for key in dict.fromkeys(c.of for c in side))
