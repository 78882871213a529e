"""Whether two runs differ, figure by figure: `paretoken bench --compare A B`.

Within one run each, the difference B/A − 1 is bootstrapped in blocks of neighbouring requests; where a load
was repeated on both sides, the spread between repeats is used instead (Welch's t), since it holds more.
The p-values of all figures and loads are corrected together (Holm 1979), so that one in twenty comparisons
of equal runs, not one in twenty figures, shows a difference that is not there. Where none is seen, the
smallest difference that would have been is named: the one found four times in five.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from paretoken.errors import BadConfig, NoData
from paretoken.load.results.figures import FIGURES, Figure, Level

LEVEL = 0.95
POWER_Z = 0.8416  # normal quantile of a power of 0.8
CHECKED_COLUMNS = ("model", "isl", "osl")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure at one load: `change` is B/A − 1 with its interval; `p_value` is after Holm's correction.

    `visible` is the smallest change that would have been seen four times in five.
    """

    figure: str
    load: tuple[str, float]
    a: float
    b: float
    change: float
    low: float
    high: float
    p_value: float
    significant: bool
    better: bool
    visible: float
    basis: str

    def __str__(self) -> str:
        where = f"{self.figure} at {self.load[1]:g} {'users' if self.load[0] == 'closed' else 'req/s'}"
        if not self.significant:
            return f"{where}: no difference seen; smallest difference that would have been seen: {self.visible:.1%}"
        word = "higher" if self.change > 0 else "lower"
        verdict = "better" if self.better else "worse"
        return (
            f"{where}: {abs(self.change):.1%} {word} in B ({self.low:+.1%} to {self.high:+.1%}, "
            f"p = {self.p_value:.2g}), {verdict}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two runs, the checked metadata in which they differ, and loads that only one has."""

    differences: tuple[Difference, ...]
    differing: tuple[str, ...]
    unmatched: tuple[tuple[str, float], ...]


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Checked metadata in which two summaries differ, with both values."""
    left, right = _checked(a), _checked(b)
    return [
        f"{key}: {left.get(key)!r} in A, {right.get(key)!r} in B"
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]


def _checked(summary: Mapping[str, Any]) -> dict[str, Any]:
    columns = summary.get("columns") or {}
    return {
        **_flat("config", summary.get("config") or {}),
        **{name: columns.get(name) for name in CHECKED_COLUMNS},
        "n_gpus": summary.get("n_gpus"),
        "schema_version": summary.get("schema_version"),
        "think_s": (summary.get("load") or {}).get("think_s"),
    }


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {k: v for key, inner in value.items() for k, v in _flat(f"{prefix}.{key}", inner).items()}


def compare(a: Sequence[Level], b: Sequence[Level], *, seed: int = 0, force: bool = False) -> Comparison:
    """B against A at every load both have. BadConfig if checked metadata differ, unless `force`."""
    if not a or not b:
        raise NoData("a run without a finished level cannot be compared")
    keys = differing(a[0].summary, b[0].summary)
    if keys and not force:
        raise BadConfig(f"the runs are not comparable: {'; '.join(keys)}; give --force to compare them all the same")
    ours, theirs = _by_load(a), _by_load(b)
    rng = np.random.default_rng(seed)
    found = [
        difference
        for load in sorted(ours.keys() & theirs.keys())
        for figure in FIGURES
        if (difference := _difference(figure, load, ours[load], theirs[load], rng)) is not None
    ]
    if not found:
        raise NoData("the two runs share no load with enough requests to compare")
    return Comparison(_corrected(found), tuple(keys), tuple(sorted(ours.keys() ^ theirs.keys())))


def _by_load(levels: Sequence[Level]) -> dict[tuple[str, float], list[Level]]:
    found: dict[tuple[str, float], list[Level]] = {}
    for one in levels:
        found.setdefault(one.key, []).append(one)
    return found


@dataclass(frozen=True, slots=True)
class _Raw:
    """A difference before correction; `spread` is the standard error of the change."""

    figure: Figure
    load: tuple[str, float]
    a: float
    b: float
    low: float
    high: float
    p_value: float
    spread: float
    basis: str


def _difference(
    figure: Figure, load: tuple[str, float], a: list[Level], b: list[Level], rng: np.random.Generator
) -> _Raw | None:
    ours = [v for v in map(figure.value, a) if v]
    theirs = [v for v in map(figure.value, b) if v]
    if not ours or not theirs:
        return None
    if len(ours) > 1 and len(theirs) > 1:
        return _welch(figure, load, np.array(ours), np.array(theirs))
    return _bootstrapped(figure, load, a[0], b[0], rng)


def _bootstrapped(figure: Figure, load: tuple[str, float], a: Level, b: Level, rng: np.random.Generator) -> _Raw | None:
    """One run each: the spread of B*/A* − 1 over bootstrapped pairs, centred on what was seen."""
    va, vb = figure.value(a), figure.value(b)
    if not va or not vb:
        return None
    drawn = figure.replicates(b, rng) / figure.replicates(a, rng) - 1
    change = vb / va - 1
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # Tiny rounding differences of equal constants are no difference.
    beyond = np.abs(drawn - change) >= abs(change) - 1e-12
    p = (1 + int(beyond.sum())) / (len(drawn) + 1)
    return _Raw(figure, load, va, vb, float(low), float(high), p, float(drawn.std()), "blocks within one run each")


def _welch(figure: Figure, load: tuple[str, float], a: np.ndarray, b: np.ndarray) -> _Raw:
    """Repeats on both sides: Welch's t on the logarithms, whose difference is that of the ratio."""
    la, lb = np.log(a), np.log(b)
    va, vb = la.var(ddof=1) / len(la), lb.var(ddof=1) / len(lb)
    step, spread = lb.mean() - la.mean(), math.sqrt(va + vb)
    if spread == 0:
        p, half = (1.0 if step == 0 else 0.0), 0.0
    else:
        freedom = (va + vb) ** 2 / (va**2 / (len(la) - 1) + vb**2 / (len(lb) - 1))
        p = float(2 * stats.t.sf(abs(step) / spread, freedom))
        half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * spread
    basis = f"{len(a)} against {len(b)} repeats"
    means = math.exp(la.mean()), math.exp(lb.mean())
    return _Raw(figure, load, *means, math.expm1(step - half), math.expm1(step + half), p, spread, basis)


def _corrected(found: Sequence[_Raw]) -> tuple[Difference, ...]:
    """The differences with Holm's correction over all of them."""
    values = holm(np.array([r.p_value for r in found]))
    z = float(stats.norm.ppf(1 - (1 - LEVEL) / 2 / len(found))) + POWER_Z
    return tuple(_judged(raw, float(p), z) for raw, p in zip(found, values, strict=True))


def _judged(raw: _Raw, p: float, z: float) -> Difference:
    change = raw.b / raw.a - 1
    return Difference(
        figure=raw.figure.name,
        load=raw.load,
        a=raw.a,
        b=raw.b,
        change=change,
        low=raw.low,
        high=raw.high,
        p_value=p,
        significant=p < 1 - LEVEL,
        better=(change > 0) == raw.figure.higher_is_better,
        visible=z * raw.spread,
        basis=raw.basis,
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down p-values: sorted ones times n, n − 1, …, never falling, at most 1."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    stepped = np.minimum(np.maximum.accumulate(p_values[order] * (n - np.arange(n))), 1.0)
    corrected = np.empty(n)
    corrected[order] = stepped
    return corrected
