"""The warnings of runs by grade, the worst first; equal sentences are joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.bench.stats.warnings import TITLES, title_of
from paretoken.report.run.grades import GRADES, Grade, grade_of
from paretoken.report.run.reading import MeasuredRun, failed_gate

RARE_QUANTILES = "quantile"
"""Codes with this prefix are about quantiles of few samples."""


@dataclass(frozen=True, slots=True)
class WarningGroup:
    """One kind of warning of one grade: (levels, sentence) of each of its sentences."""

    grade: Grade
    code: str
    title: str
    texts: tuple[tuple[str, str], ...]


def warnings_of(runs: Sequence[MeasuredRun]) -> list[WarningGroup]:
    """The warnings of all runs by grade and kind."""
    kinds: dict[tuple[Grade, str], dict[str, list[str]]] = {}
    for run in runs:
        for code, where, text in _each(run, f"{run.name}: " if len(runs) > 1 else ""):
            kinds.setdefault((grade_of(code, text), code), {}).setdefault(text, []).append(where)
    return [WarningGroup(*kind, title_of(kind[1]), _joined(kinds[kind])) for kind in sorted(kinds, key=_gravity)]


def by_grade(warnings: Iterable[WarningGroup]) -> dict[Grade, list[WarningGroup]]:
    """Every grade with its warnings, in order; a grade without any has an empty list."""
    groups: dict[Grade, list[WarningGroup]] = {grade: [] for grade in GRADES}
    for warning in warnings:
        groups[warning.grade].append(warning)
    return groups


def _gravity(kind: tuple[Grade, str]) -> tuple[int, int]:
    grade, code = kind
    codes = list(TITLES)
    return list(GRADES).index(grade), codes.index(code) if code in codes else len(codes)


def _each(run: MeasuredRun, prefix: str) -> Iterable[tuple[str, str, str]]:
    """(code, levels, text) of every warning of a run."""
    all_of_it = prefix.rstrip(": ") or "this run"
    if run.emulated:
        text = "a simulated engine set the pace, no accelerator ran; comparisons leave its points out"
        yield "emulated", all_of_it, text
    if why := failed_gate(run):
        yield "accuracy", all_of_it, f"{why}; its throughput includes wrong tokens"
    if run.unfinished:
        levels = "1 level was" if run.unfinished == 1 else f"{run.unfinished} levels were"
        yield "unfinished", all_of_it, f"{levels} started but not finished, and not shown"
    for name, summary in zip(run.names, run.summaries, strict=True):
        if summary.failed:
            yield "failed", prefix + name, summary.failed
        for warning in summary.warnings:
            short = warning.code == "no_steady_state" and not summary.window.enough
            yield (
                "too_short" if short else warning.code,
                prefix + name,
                warning.text.removeprefix("no steady state: "),
            )


def _joined(texts: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((", ".join(where), text) for text, where in texts.items())
