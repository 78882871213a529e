"""Whether two runs differ, figure by figure: `paretoken bench --compare A B`.

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

import numpy as np
from scipy import stats

from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.figures import FIGURES, ComparedFigure, ComparedLevel
from paretoken.bench.stats.goodput import wilson
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.errors import BadConfig, NoData

LEVEL = 0.95
POWER_Z = 0.8416  # normal quantile of a power of 0.8
ERROR_RATE = ComparedFigure("error rate", lambda at: np.zeros(0))
CHECKED_COLUMNS = ("model", "isl", "osl")
Levels = dict[tuple[str, float], list[ComparedLevel]]
"""The levels of a run by their load."""


@dataclass(frozen=True, slots=True, kw_only=True)
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

    def __str__(self) -> str:
        where = f"{self.figure} at {self.load[1]:g} {'users' if self.load[0] == 'closed' else 'req/s'}"
        if self.figure == ERROR_RATE.name:
            word = "better" if self.better else "worse"
            verdict = f"p = {self.p_value:.2g}, {word}" if self.significant else "no significant difference"
            return f"{where}: {self.a:.1%} in A, {self.b:.1%} in B, {verdict}"
        if not self.significant:
            return f"{where}: no significant difference; smallest detectable: {self.visible:.1%}"
        word = "higher" if self.change > 0 else "lower"
        verdict = "better" if self.better else "worse"
        return (
            f"{where}: {abs(self.change):.1%} {word} in B ({self.low:+.1%} to {self.high:+.1%}, "
            f"p = {self.p_value:.2g}), {verdict}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
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
    def worse(self) -> str:
        """Why B is worse than A, empty where it is not."""
        if self.failed:
            return f"B failed at {', '.join(self.failed)}"
        return "B is worse than A" if any(d.significant and not d.better for d in self.differences) else ""


def differing(a: LevelSummary, b: LevelSummary) -> list[str]:
    """Checked metadata in which two summaries differ, with both values."""
    left, right = _checked(a), _checked(b)
    return [
        f"{key}: {left.get(key)!r} in A, {right.get(key)!r} in B"
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]


def _checked(summary: LevelSummary) -> dict[str, object]:
    return {
        **_flat("config", summary.config),
        **{name: summary.columns.get(name) for name in CHECKED_COLUMNS},
        "n_gpus": summary.n_gpus,
        "schema_version": summary.schema_version,
        "think_s": summary.load.think_s,
    }


def _flat(prefix: str, value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {k: v for key, inner in value.items() for k, v in _flat(f"{prefix}.{key}", inner).items()}


def compare(
    a: Sequence[ComparedLevel], b: Sequence[ComparedLevel], *, seed: int = 0, force: bool = False
) -> RunComparison:
    """B against A at every load both have. BadConfig if checked metadata differ, unless `force`."""
    if not a or not b:
        raise NoData("one of the runs has no finished level; finish it with --resume")
    keys = differing(a[0].summary, b[0].summary)
    if keys and not force:
        raise BadConfig(f"the runs are not comparable: {'; '.join(keys)}; add --force to compare them anyway")
    ours, theirs = _by_load(a), _by_load(b)
    rng = np.random.default_rng(seed)
    raw = [
        difference
        for load in sorted(ours.keys() & theirs.keys())
        for difference in _differences(load, ours[load], theirs[load], rng)
    ]
    if not raw:
        raise NoData("the two runs share no load with enough requests to compare")
    return RunComparison(
        differences=_corrected(raw),
        differing=tuple(keys),
        unmatched=tuple(sorted(ours.keys() ^ theirs.keys())),
        doubts=_doubts(ours, theirs),
        failed=tuple(dict.fromkeys(level.summary.load.name for level in b if level.summary.failed)),
    )


def _doubts(a: Levels, b: Levels) -> tuple[str, ...]:
    """What to know of the levels of both runs, and of loads that only one of them repeated."""
    texts = []
    for run, levels in (("A", a), ("B", b)):
        for summary in (level.summary for load in sorted(levels) for level in levels[load]):
            texts += [f"{run} at {summary.load.name}: {text}" for text in summary.doubts]
    for load in sorted(a.keys() & b.keys()):
        counts = len(a[load]), len(b[load])
        if min(counts) == 1 < max(counts):
            texts.append(
                f"{a[load][0].summary.load.name}: {counts[0]} in A, {counts[1]} in B; the single run is assumed to "
                "vary as much as the repeats do"
            )
    return tuple(dict.fromkeys(texts))


def _by_load(levels: Sequence[ComparedLevel]) -> Levels:
    groups: Levels = {}
    for level in levels:
        groups.setdefault(level.key, []).append(level)
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """A difference before correction; `spread` is the standard error of the change."""

    figure: ComparedFigure
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


def _differences(
    load: tuple[str, float], a: list[ComparedLevel], b: list[ComparedLevel], rng: np.random.Generator
) -> list[_Raw]:
    """Every figure that both sides have; the error rate where a request failed on either."""
    raw = [_errors(load, a, b), *(_difference(figure, load, a, b, rng) for figure in FIGURES)]
    return [one for one in raw if one is not None]


def _errors(load: tuple[str, float], a: list[ComparedLevel], b: list[ComparedLevel]) -> _Raw | None:
    """The shares of failed requests, all repeats together: Fisher's exact test, Newcombe's interval."""
    errors_a, errors_b = ([level.summary.errors for level in side] for side in (a, b))
    bad_a, bad_b = (sum(e.failed for e in side) for side in (errors_a, errors_b))
    n_a, n_b = (sum(e.requests for e in side) for side in (errors_a, errors_b))
    if not bad_a + bad_b or not n_a or not n_b:
        return None
    share_a, share_b, both = bad_a / n_a, bad_b / n_b, (bad_a + bad_b) / (n_a + n_b)
    (low_a, high_a), (low_b, high_b) = wilson(bad_a, n_a), wilson(bad_b, n_b)
    low = share_b - share_a - math.hypot(share_b - low_b, high_a - share_a)
    high = share_b - share_a + math.hypot(high_b - share_b, share_a - low_a)
    p = float(stats.fisher_exact(np.array([[bad_a, n_a - bad_a], [bad_b, n_b - bad_b]])).pvalue)
    spread = math.sqrt(both * (1 - both) * (1 / n_a + 1 / n_b))
    return _Raw(
        figure=ERROR_RATE,
        load=load,
        a=share_a,
        b=share_b,
        low=low,
        high=high,
        p_value=p,
        spread=spread,
        basis=f"{n_a} against {n_b} requests",
    )


def _difference(
    figure: ComparedFigure,
    load: tuple[str, float],
    a: list[ComparedLevel],
    b: list[ComparedLevel],
    rng: np.random.Generator,
) -> _Raw | None:
    ours = [v for v in map(figure.value, a) if v]
    theirs = [v for v in map(figure.value, b) if v]
    if not ours or not theirs:
        return None
    if len(ours) > 1 or len(theirs) > 1:
        return _between_runs(figure, load, np.array(ours), np.array(theirs))
    one, other = (next(x for x in side if figure.value(x)) for side in (a, b))
    return _bootstrapped(figure, load, one, other, rng)


def _bootstrapped(
    figure: ComparedFigure, load: tuple[str, float], a: ComparedLevel, b: ComparedLevel, rng: np.random.Generator
) -> _Raw | None:
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
    return _Raw(
        figure=figure,
        load=load,
        a=va,
        b=vb,
        low=float(low),
        high=float(high),
        p_value=p,
        spread=float(drawn.std()),
        basis="blocks within one run each",
    )


def _between_runs(figure: ComparedFigure, load: tuple[str, float], a: Floats, b: Floats) -> _Raw:
    """Repeats: t on the logarithms, whose difference is that of the ratio.

    Welch's where both sides have them; else Student's, the spread of the repeats standing for both.
    """
    la, lb = np.log(a), np.log(b)
    variances = [float(x.var(ddof=1)) if len(x) > 1 else None for x in (la, lb)]
    variance = next(v for v in variances if v is not None)
    va, vb = ((variance if v is None else v) / len(x) for v, x in zip(variances, (la, lb), strict=True))
    step, spread = lb.mean() - la.mean(), math.sqrt(va + vb)
    if spread == 0:
        p, half = (1.0 if step == 0 else 0.0), 0.0
    else:
        single = min(len(la), len(lb)) == 1
        freedom = max(len(la), len(lb)) - 1 if single else _welch_freedom(va, len(la), vb, len(lb))
        p = float(2 * stats.t.sf(abs(step) / spread, freedom))
        half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * spread
    basis = f"{len(a)} against {len(b)} repeats"
    return _Raw(
        figure=figure,
        load=load,
        a=math.exp(la.mean()),
        b=math.exp(lb.mean()),
        low=math.expm1(step - half),
        high=math.expm1(step + half),
        p_value=p,
        spread=spread,
        basis=basis,
    )


def _welch_freedom(va: float, na: int, vb: float, nb: int) -> float:
    return (va + vb) ** 2 / (va**2 / (na - 1) + vb**2 / (nb - 1))


def _corrected(raw: Sequence[_Raw]) -> tuple[Difference, ...]:
    """The differences with Holm's correction over all of them."""
    values = holm(np.array([r.p_value for r in raw]))
    z = float(stats.norm.ppf(1 - (1 - LEVEL) / 2 / len(raw))) + POWER_Z
    return tuple(_judged(one, float(p), z) for one, p in zip(raw, values, strict=True))


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
        better=(raw.change > 0) == raw.figure.higher_is_better,
        visible=z * raw.spread,
        basis=raw.basis,
    )


def holm(p_values: Floats) -> Floats:
    """Holm's step-down p-values: sorted ones times n, n − 1, …, never falling, at most 1."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    stepped = np.minimum(np.maximum.accumulate(p_values[order] * (n - np.arange(n))), 1.0)
    corrected = np.empty(n)
    corrected[order] = stepped
    return corrected
