"""Runs against a baseline at equal load, figure by figure: `bench --compare A B` and `check --at load`.

Within one run each, the difference B/A − 1 is bootstrapped in blocks of neighbouring requests; where a load
was repeated, the spread between repeats is used instead, since it holds more: Welch's t where both sides were
repeated, Student's where one was, whose spread then stands for that of the single run too.
The share of failed requests is compared as the difference B − A, since it may be 0 (Fisher's exact test).
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

from paretoken.bench.plan import load_name
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS, doubts
from paretoken.bench.stats.figures import FIGURES, Figure, Level
from paretoken.bench.stats.goodput import wilson
from paretoken.errors import BadConfig, NoData

LEVEL = 0.95
POWER_Z = 0.8416  # normal quantile of a power of 0.8
ERROR_RATE = Figure("error rate", lambda at: np.zeros(0))
CHECKED_COLUMNS = ("model", "isl", "osl")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure at one load: `change` is B/A − 1 with its interval; `p_value` is after Holm's correction.

    Of the error rate `change` is B − A. `visible` is the smallest change that would have been seen four times in five.
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

    @property
    def regression(self) -> bool:
        """Whether B is worse beyond noise."""
        return self.significant and not self.better

    def __str__(self) -> str:
        where = f"{self.figure} at {self.load[1]:g} {'users' if self.load[0] == 'closed' else 'req/s'}"
        if self.figure == ERROR_RATE.name:
            word = "better" if self.better else "worse"
            verdict = f"p = {self.p_value:.2g}, {word}" if self.significant else "no difference seen"
            return f"{where}: {self.a:.1%} in A, {self.b:.1%} in B, {verdict}"
        if not self.significant:
            return f"{where}: no difference seen; smallest difference that would have been seen: {self.visible:.1%}"
        word = "higher" if self.change > 0 else "lower"
        verdict = "better" if self.better else "worse"
        return (
            f"{where}: {abs(self.change):.1%} {word} in B ({self.low:+.1%} to {self.high:+.1%}, "
            f"p = {self.p_value:.2g}), {verdict}"
        )


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The differences of two runs, the checked metadata in which they differ, and loads that only one has.

    `doubts` are what to know of their levels before trusting a figure, `failed` the levels of B with too many errors.
    """

    differences: tuple[Difference, ...]
    differing: tuple[str, ...]
    unmatched: tuple[tuple[str, float], ...]
    doubts: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[str, ...]:
        """What regressed: levels of B that failed, and figures that are worse beyond noise."""
        failures = [f"B failed at {load}" for load in self.failed]
        return (*failures, *(str(difference) for difference in self.differences if difference.regression))


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


def compare(a: Sequence[Level], b: Sequence[Level], *, seed: int = 0, force: bool = False) -> RunComparison:
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
        for difference in _differences(load, ours[load], theirs[load], rng)
    ]
    if not found:
        raise NoData("the two runs share no load with enough requests to compare")
    failed = dict.fromkeys(load_name(one.summary["load"]) for one in b if TOO_MANY_ERRORS in one.summary)
    unmatched = tuple(sorted(ours.keys() ^ theirs.keys()))
    return RunComparison(_corrected(found), tuple(keys), unmatched, _doubts(ours, theirs), tuple(failed))


def _doubts(a: Mapping[Any, list[Level]], b: Mapping[Any, list[Level]]) -> tuple[str, ...]:
    """What to know of the levels of both runs, and of loads that only one of them repeated."""
    found = []
    for run, levels in (("A", a), ("B", b)):
        for one in (one for load in sorted(levels) for one in levels[load]):
            found += [f"{run} at {load_name(one.summary['load'])}: {text}" for text in doubts(one.summary)]
    for load in sorted(a.keys() & b.keys()):
        counts = len(a[load]), len(b[load])
        if min(counts) == 1 < max(counts):
            found.append(
                f"{load_name(a[load][0].summary['load'])}: {counts[0]} in A against {counts[1]} in B; the single run "
                "is taken to vary as much as the repeats do"
            )
    return tuple(dict.fromkeys(found))


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

    @property
    def change(self) -> float:
        return self.b - self.a if self.figure is ERROR_RATE else self.b / self.a - 1


def _differences(load: tuple[str, float], a: list[Level], b: list[Level], rng: np.random.Generator) -> list[_Raw]:
    """Every figure that both sides have; the error rate where a request failed on either."""
    found = [_difference(figure, load, a, b, rng) for figure in FIGURES]
    return [raw for raw in (_errors(load, a, b), *found) if raw is not None]


def _errors(load: tuple[str, float], a: list[Level], b: list[Level]) -> _Raw | None:
    """The shares of failed requests, all repeats together: Fisher's exact test, Newcombe's interval."""
    (bad_a, n_a), (bad_b, n_b) = (np.sum([one.errors for one in side], axis=0).tolist() for side in (a, b))
    if not bad_a + bad_b or not n_a or not n_b:
        return None
    share_a, share_b, both = bad_a / n_a, bad_b / n_b, (bad_a + bad_b) / (n_a + n_b)
    (low_a, high_a), (low_b, high_b) = wilson(bad_a, n_a), wilson(bad_b, n_b)
    low = share_b - share_a - math.hypot(share_b - low_b, high_a - share_a)
    high = share_b - share_a + math.hypot(high_b - share_b, share_a - low_a)
    p = float(stats.fisher_exact([[bad_a, n_a - bad_a], [bad_b, n_b - bad_b]]).pvalue)
    spread = math.sqrt(both * (1 - both) * (1 / n_a + 1 / n_b))
    return _Raw(ERROR_RATE, load, share_a, share_b, low, high, p, spread, f"{n_a} against {n_b} requests")


def _difference(
    figure: Figure, load: tuple[str, float], a: list[Level], b: list[Level], rng: np.random.Generator
) -> _Raw | None:
    ours = [v for v in map(figure.value, a) if v]
    theirs = [v for v in map(figure.value, b) if v]
    if not ours or not theirs:
        return None
    if len(ours) > 1 or len(theirs) > 1:
        return _between_runs(figure, load, np.array(ours), np.array(theirs))
    one, other = (next(x for x in side if figure.value(x)) for side in (a, b))
    return _bootstrapped(figure, load, one, other, rng)


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


def _between_runs(figure: Figure, load: tuple[str, float], a: np.ndarray, b: np.ndarray) -> _Raw:
    """Repeats: t on the logarithms, whose difference is that of the ratio.

    Welch's where both sides have them; else Student's, the spread of the repeats standing for both.
    """
    la, lb = np.log(a), np.log(b)
    sa, sb = (x.var(ddof=1) if len(x) > 1 else None for x in (la, lb))
    va, vb = (sb if sa is None else sa) / len(la), (sa if sb is None else sb) / len(lb)
    step, spread = lb.mean() - la.mean(), math.sqrt(va + vb)
    if spread == 0:
        p, half = (1.0 if step == 0 else 0.0), 0.0
    else:
        single = min(len(la), len(lb)) == 1
        freedom = max(len(la), len(lb)) - 1 if single else _welch_freedom(va, len(la), vb, len(lb))
        p = float(2 * stats.t.sf(abs(step) / spread, freedom))
        half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * spread
    basis = f"{len(a)} against {len(b)} repeats"
    means = math.exp(la.mean()), math.exp(lb.mean())
    return _Raw(figure, load, *means, math.expm1(step - half), math.expm1(step + half), p, spread, basis)


def _welch_freedom(va: float, na: int, vb: float, nb: int) -> float:
    return (va + vb) ** 2 / (va**2 / (na - 1) + vb**2 / (nb - 1))


def _corrected(found: Sequence[_Raw]) -> tuple[Difference, ...]:
    """The differences with Holm's correction over all of them."""
    values = holm(np.array([r.p_value for r in found]))
    z = float(stats.norm.ppf(1 - (1 - LEVEL) / 2 / len(found))) + POWER_Z
    return tuple(_judged(raw, float(p), z) for raw, p in zip(found, values, strict=True))


def _judged(raw: _Raw, p: float, z: float) -> Difference:
    return Difference(
        figure=raw.figure.name,
        load=raw.load,
        a=raw.a,
        b=raw.b,
        change=raw.change,
        low=raw.low,
        high=raw.high,
        p_value=p,
        significant=p < 1 - LEVEL,
        better=bool((raw.change > 0) == raw.figure.higher_is_better),
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
