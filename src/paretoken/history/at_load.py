"""Runs against a baseline at equal load, figure by figure: `bench --compare A B` and `check --at load`.

Within one run each, the difference B/A − 1 is bootstrapped in blocks of neighbouring requests; where a load
was repeated, the spread between repeats is used instead, since it holds more: Welch's t where both sides were
repeated, Student's where one was, whose spread is then assumed for the single run too.
The share of failures among ended requests is compared as the difference B − A, since it may be 0 (Fisher's exact test).
The p-values of all figures and loads are corrected together (Holm 1979), so that one in twenty comparisons
of equal runs, not one in twenty figures, shows a difference that is not there. Without a significant
difference, the smallest detectable one is named: the one detected four times in five.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretoken.bench.plan import load_name
from paretoken.bench.stats.differences import ERROR_RATE, LEVEL, RawDifference, holm, raw_differences, scarce_figures
from paretoken.bench.stats.figures import ComparedLevel
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.quantiles import needed
from paretoken.errors import BadConfig, NoData
from paretoken.plural import listed
from paretoken.points.acceptance import ALIKE, acceptance_of, difference

POWER_Z = 0.8416  # normal quantile of a power of 0.8
Verdict = Literal["better", "worse", "no difference"]
CHECKED_COLUMNS = ("model", "workload", "isl", "osl")
Levels = dict[tuple[str, float], list[ComparedLevel]]
"""The levels of a run by their load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure at one load: `change` is B/A − 1 with its interval; `p_value` is after Holm's correction.

    `unit` is that of A and B: `s`, `tok/s` of the deployment, or `share`. Of the error rate `change` is B − A.
    `visible` is the smallest change that would have been seen four times in five.
    """

    figure: str
    unit: str
    load: tuple[str, float]
    a: float
    b: float
    change: float
    low: float
    high: float
    p_value: float
    significant: bool
    better: bool
    verdict: Verdict
    visible: float
    basis: str

    @property
    def regression(self) -> bool:
        """Whether B is worse beyond noise."""
        return self.significant and not self.better

    def __str__(self) -> str:
        where = f"{self.figure} at {load_name(*self.load)}"
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
class ScarceFigures:
    """Quantiles of one load that `a` and `b` requests in the window are too few to compare: each side needs `needed`.

    Of repeats, `a` and `b` are those of the longest.
    """

    load: tuple[str, float]
    figures: tuple[str, ...]
    quantile: float
    needed: int
    a: int
    b: int

    def __str__(self) -> str:
        return (
            f"{load_name(*self.load)}: {listed(self.figures)} not compared: p{self.quantile * 100:g} needs "
            f"{self.needed:,} requests in the window, A has {self.a:,} and B {self.b:,}"
        )


@dataclass(frozen=True, slots=True)
class BrokenLevel:
    """A level of B that failed as a whole: its load, what broke (`level` or `stream`), and a sentence."""

    load: str
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class RunComparison:
    """The differences of two runs, the checked metadata in which they differ, and loads that only one has.

    `doubts` are what to know of their levels before trusting a figure, `failed` the levels of B with too many errors,
    `hidden` those of B whose pace is hidden and that of A is not, `scarce` the quantiles that too few requests allow
    to compare.
    """

    differences: tuple[Difference, ...]
    differing: tuple[str, ...]
    unmatched: tuple[tuple[str, float], ...]
    doubts: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    scarce: tuple[ScarceFigures, ...] = ()

    @property
    def broken(self) -> tuple[BrokenLevel, ...]:
        """The levels of B that are a regression whatever their figures are."""
        pace = "answers arrive in one piece, so TTFT and TPOT are unknown"
        return (
            *(BrokenLevel(load, "level", f"B failed at {load}") for load in self.failed),
            *(BrokenLevel(load, "stream", f"B at {load}: {pace}") for load in self.hidden),
        )

    @property
    def compared(self) -> int:
        """How many things were compared: figures, and levels that leave none to compare."""
        return len(self.differences) + len(self.broken)

    @property
    def regressions(self) -> tuple[str, ...]:
        """What regressed: levels of B that failed or hide their pace, and figures that are worse beyond noise."""
        return (*(level.text for level in self.broken), *(str(d) for d in self.differences if d.regression))


def differing(a: LevelSummary, b: LevelSummary) -> list[str]:
    """Checked metadata in which two summaries differ, with both values; a column that a setting implies is left out."""
    left, right = _checked(a), _checked(b)
    keys = sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
    return [f"{key}: {left.get(key)!r} in A, {right.get(key)!r} in B" for key in keys if f"config.{key}" not in keys]


def _checked(summary: LevelSummary) -> dict[str, object]:
    return {
        **_flat("config", summary.config),
        **{name: summary.columns.get(name) for name in CHECKED_COLUMNS},
        "n_gpus": summary.n_gpus,
        "origin": summary.origin,
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
        run = "B, the new run" if a else "A, the baseline"
        raise NoData(f"{run}, has no finished level; finish it with 'paretoken bench --resume'")
    keys = differing(a[0].summary, b[0].summary)
    if keys and not force:
        raise BadConfig(f"the runs are not comparable: {'; '.join(keys)}; add --force to compare them anyway")
    ours, theirs = _by_load(a), _by_load(b)
    rng = np.random.default_rng(seed)
    raw = [
        difference
        for load in sorted(ours.keys() & theirs.keys())
        for difference in raw_differences(load, ours[load], theirs[load], rng)
    ]
    if not raw:
        raise NoData("the two runs have no load with enough requests in common; measure longer")
    return RunComparison(
        differences=_corrected(raw),
        differing=tuple(keys),
        unmatched=tuple(sorted(ours.keys() ^ theirs.keys())),
        doubts=_doubts(ours, theirs),
        failed=tuple(dict.fromkeys(level.summary.load.name for level in b if level.summary.failed)),
        hidden=tuple(load_name(*load) for load in sorted(_in_one_piece(theirs) & ours.keys() - _in_one_piece(ours))),
        scarce=tuple(_scarce(ours, theirs)),
    )


def _in_one_piece(levels: Levels) -> set[tuple[str, float]]:
    """The loads with a level whose answers arrived in one piece."""
    return {load for load, group in levels.items() if any(level.summary.in_one_piece for level in group)}


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
        texts += _unlike_acceptance(a[load][0].summary, b[load][0].summary)
    return tuple(dict.fromkeys(texts))


def _scarce(a: Levels, b: Levels) -> Iterator[ScarceFigures]:
    """What each load in common lacks for a comparison of its tail."""
    for load in sorted(a.keys() & b.keys()):
        for (quantile, in_a, in_b), names in scarce_figures(a[load], b[load]).items():
            yield ScarceFigures(
                load=load, figures=tuple(names), quantile=quantile, needed=needed(quantile), a=in_a, b=in_b
            )


def _unlike_acceptance(a: LevelSummary, b: LevelSummary) -> list[str]:
    """The doubt that two levels drafted tokens at unlike acceptance, or that one acceptance length is not known."""
    one, other = (acceptance_of({**side.point, "speculation": side.point.get("speculative")}) for side in (a, b))
    if one is None or other is None:
        return []
    silent = [run for run, side in (("A", one), ("B", other)) if side.length is None]
    if silent:
        return [f"{a.load.name}: drafts tokens, and the acceptance length of {' and '.join(silent)} is not known"]
    if (by := difference(one, other)) is None or by <= ALIKE:
        return []
    return [
        f"{a.load.name}: unlike acceptance, {one.text} in A and {other.text} in B; it explains part of any difference"
    ]


def _by_load(levels: Sequence[ComparedLevel]) -> Levels:
    groups: Levels = {}
    for level in levels:
        groups.setdefault(level.key, []).append(level)
    return groups


def _corrected(raw: Sequence[RawDifference]) -> tuple[Difference, ...]:
    """The differences with Holm's correction over all of them."""
    values = holm(np.array([r.p_value for r in raw]))
    alpha = (1 - LEVEL) / len(raw)
    return tuple(_judged(one, float(p), alpha) for one, p in zip(raw, values, strict=True))


def _judged(raw: RawDifference, p: float, alpha: float) -> Difference:
    significant, better = p < 1 - LEVEL, bool((raw.change > 0) == raw.figure.higher_is_better)
    return Difference(
        figure=raw.figure.name,
        unit=raw.figure.unit,
        load=raw.load,
        a=raw.a,
        b=raw.b,
        change=raw.change,
        low=raw.low,
        high=raw.high,
        p_value=p,
        significant=significant,
        better=better,
        verdict=("better" if better else "worse") if significant else "no difference",
        visible=raw.noise(alpha) + POWER_Z * raw.spread,
        basis=raw.basis,
    )
