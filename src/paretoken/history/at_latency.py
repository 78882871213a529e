"""Runs against a baseline at equal latency: whether throughput dropped beyond noise. `paretoken check`.

Both sides are resampled many times: whole runs with replacement where a side has several, so that the spread between
runs counts, and each level's latency and throughput by its standard error. Each draw gives a curve (Pareto points) and
so a ratio at each latency. A drop is a regression if even the upper end of its interval is below the allowed drop. With
several latencies and configurations the interval is wider (Bonferroni), so that one check in twenty of equal runs, not
one latency in twenty, is a false alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.errors import NoData
from paretoken.frontier import Axis, from_axis
from paretoken.frontier.pchip import Pchip
from paretoken.history.judgement import ALLOWED_DROP, FALSE_ALARMS, verdict
from paretoken.history.run_curves import CONFIGURATION, Configuration, Floats, RunCurve

DRAWS = 1_000
LATENCIES = 3
"""How many latencies are compared by default, spaced by ratio inside the range that both sides reach."""
ENOUGH = 0.5
"""Share of the draws that must reach a latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputChange:
    """Throughput (total tok/s/GPU) at one latency before and after; `change` is after/before − 1 with its interval.

    `of` is the configuration, `at` is in the axis's own unit. `runs` is the number of runs of each side: with one, the
    spread between runs is not in the interval.
    """

    of: Mapping[str, str | int | float | bool | None]
    axis: Axis
    at: float
    before: float
    after: float
    low: float
    high: float
    allowed: float
    runs: tuple[int, int]
    change: float
    regression: bool

    @property
    def verdict(self) -> str:
        """`worse` beyond what is allowed, `worse, allowed`, `better` or `no difference`, by the interval."""
        if self.regression:
            return "worse"
        return "better" if self.low > 0 else "worse, allowed" if self.high < 0 else "no difference"

    @property
    def configuration(self) -> str:
        """`H200 vllm llama-3-70b fp8 1024/1024`."""
        what = (str(v) for k, v in self.of.items() if v not in (None, "measured") and k not in ("isl", "osl"))
        return f"{' '.join(what)} {self.of['isl']}/{self.of['osl']}"

    @property
    def latency(self) -> str:
        """`4.2 s E2E`, `40 tok/s/user`."""
        return f"{self.at:.4g} {'s E2E' if self.axis == 'e2e' else 'tok/s/user'}"

    def __str__(self) -> str:
        where = f"{self.configuration} at {self.latency}"
        figures = f"{self.before:,.1f} → {self.after:,.1f} tok/s/GPU"
        interval = f"{self.low:+.1%} to {self.high:+.1%}"
        return f"{verdict(self.regression)}: {where}: {figures}, {self.change:+.1%} ({interval})"


def changes(
    baseline: Sequence[RunCurve],
    new: Sequence[RunCurve],
    axis: Axis,
    at: Sequence[float] = (),
    allowed: float = ALLOWED_DROP,
    seed: int = 0,
) -> list[ThroughputChange]:
    """Every configuration that both sides have, at each latency; NoData if they share none, or no latency."""
    both = [key for key in dict.fromkeys(c.of for c in baseline) if any(c.of == key for c in new)]
    if not both:
        raise NoData(f"the runs have no configuration in common: {_names(baseline)} against {_names(new)}")
    sides = [([c for c in baseline if c.of == key], [c for c in new if c.of == key]) for key in both]
    pairs = [(key, a, b, x) for key, (a, b) in zip(both, sides, strict=True) for x in _latencies(a, b, axis, at)]
    if not pairs:
        raise NoData("the curves share no latency; measure more levels, or compare at equal load (--at load)")
    rule = _Rule(axis, allowed, FALSE_ALARMS / len(pairs), np.random.default_rng([seed, 0xC4EC]))
    judged = [_change(key, a, b, x, rule) for key, a, b, x in pairs]
    if not any(judged):
        raise NoData("the curves overlap too little at these latencies; measure more levels, or give another latency")
    return [change for change in judged if change is not None]


def shares_latency(baseline: Sequence[RunCurve], new: Sequence[RunCurve], axis: Axis) -> bool:
    """Whether some latency lies inside the curves of both sides; a run of one level has none inside."""
    sides = [
        ([c for c in baseline if c.of == key], [c for c in new if c.of == key]) for key in {c.of for c in baseline}
    ]
    return any(_latencies(a, b, axis, ()) for a, b in sides if b)


def curve(latency_s: Floats, tok_s: Floats, at_s: float) -> float:
    """Throughput at a latency on the frontier of some levels, monotone cubic between them; NaN outside it."""
    x, y = _frontier(latency_s, tok_s)
    if not x[0] <= at_s <= x[-1]:
        return float("nan")
    return Pchip.through(x.tolist(), y.tolist()).at(at_s)


def _quick(latency_s: Floats, tok_s: Floats, at_s: float) -> float:
    """The same with straight lines between the logarithms: for the draws, which are then centred on the cubic's."""
    x, y = _frontier(latency_s, tok_s)
    return float(np.exp(np.interp(np.log(at_s), np.log(x), np.log(y)))) if x[0] <= at_s <= x[-1] else float("nan")


def _frontier(latency_s: Floats, tok_s: Floats) -> tuple[Floats, Floats]:
    """The levels that no other dominates, by rising latency; of equal latencies the faster one."""
    order = np.lexsort((-tok_s, latency_s))
    x, y = latency_s[order], tok_s[order]
    best = np.concatenate(([True], y[1:] > np.maximum.accumulate(y)[:-1]))
    return x[best], y[best]


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a comparison is judged: `tail` is the probability outside the interval on each side."""

    axis: Axis
    allowed: float
    tail: float
    rng: np.random.Generator


def _change(
    key: Configuration, a: list[RunCurve], b: list[RunCurve], at_s: float, rule: _Rule
) -> ThroughputChange | None:
    before, after = (_typical([curve(c.latency_s, c.tok_s, at_s) for c in side]) for side in (a, b))
    plain, plainly = (_typical([_quick(c.latency_s, c.tok_s, at_s) for c in side]) for side in (a, b))
    ratios = np.array([_draw(b, at_s, rule.rng) / _draw(a, at_s, rule.rng) for _ in range(DRAWS)])
    ratios = ratios[np.isfinite(ratios)] * (after / before) / (plainly / plain) - 1
    if not (before > 0 and after > 0) or len(ratios) < ENOUGH * DRAWS:
        return None
    low, high = (float(end) for end in np.quantile(ratios, [rule.tail, 1 - rule.tail]))
    return ThroughputChange(
        of=dict(zip(CONFIGURATION, key, strict=True)),
        axis=rule.axis,
        at=from_axis(at_s, rule.axis),
        before=before,
        after=after,
        low=low,
        high=high,
        allowed=rule.allowed,
        runs=(len(a), len(b)),
        change=after / before - 1,
        regression=high < -rule.allowed,
    )


def _draw(side: list[RunCurve], at_s: float, rng: np.random.Generator) -> float:
    """One resampled value of a side at a latency: the mean over runs drawn with replacement."""
    drawn = [side[i] for i in rng.integers(len(side), size=len(side))]
    values = [
        _quick(_resampled(c.latency_s, c.latency_se_s, rng), _resampled(c.tok_s, c.tok_s_se, rng), at_s) for c in drawn
    ]
    return _typical(values)


def _resampled(values: Floats, errors: Floats, rng: np.random.Generator) -> Floats:
    return values + errors * rng.standard_normal(len(values))  # the stream of rng.normal, without its checks


def _typical(values: list[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")


def _latencies(a: list[RunCurve], b: list[RunCurve], axis: Axis, at: Sequence[float]) -> list[float]:
    """Latencies to compare at, s: `at`, else some inside the range that every run reaches."""
    if at:
        return [x if axis == "e2e" else 1 / x for x in at]
    low = max(float(c.latency_s.min()) for c in (*a, *b))
    high = min(float(_top(c)) for c in (*a, *b))
    if not low < high:
        return []
    return [float(x) for x in np.geomspace(low, high, LATENCIES + 2)[1:-1]]


def _top(c: RunCurve) -> float:
    """The latency of the highest throughput, where the frontier ends."""
    return float(c.latency_s[int(np.argmax(c.tok_s))])


def _names(side: Sequence[RunCurve]) -> str:
    return "; ".join(" ".join(str(v) for v in key if v is not None) for key in dict.fromkeys(c.of for c in side))
