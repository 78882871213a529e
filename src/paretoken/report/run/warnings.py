"""The warnings of runs, the gravest first; equal sentences are joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.bench.stats.warnings import TITLES, title_of
from paretoken.report.run.reading import MeasuredRun, failed_gate

MINOR = "quantile"
"""Codes with this prefix are about rare quantiles: shown, but not at the top."""


@dataclass(frozen=True, slots=True)
class WarningGroup:
    """One kind of warning: (levels, sentence) of each of its sentences."""

    code: str
    title: str
    texts: tuple[tuple[str, str], ...]


def warnings_of(runs: Sequence[MeasuredRun], *, minor: bool = False) -> list[WarningGroup]:
    """The warnings of all runs by kind; `minor` gives those about rare quantiles instead."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for code, where, text in _each(run, f"{run.name}: " if len(runs) > 1 else ""):
            if code.startswith(MINOR) == minor:
                kinds.setdefault(code, {}).setdefault(text, []).append(where)
    order = list(TITLES)
    grave = sorted(kinds, key=lambda code: order.index(code) if code in order else len(order))
    return [WarningGroup(code, title_of(code), _joined(kinds[code])) for code in grave]


def _each(run: MeasuredRun, prefix: str) -> Iterable[tuple[str, str, str]]:
    """(code, levels, text) of every warning of a run."""
    if run.emulated:
        text = "a simulated engine set the pace, no accelerator ran; comparisons leave its points out"
        yield "emulated", prefix.rstrip(": ") or "this run", text
    if why := failed_gate(run):
        yield "accuracy", prefix.rstrip(": ") or "this run", f"{why}; its throughput includes wrong tokens"
    if run.unfinished:
        levels = "1 level was" if run.unfinished == 1 else f"{run.unfinished} levels were"
        yield "unfinished", prefix.rstrip(": ") or "this run", f"{levels} started but not finished, and not shown"
    for name, summary in zip(run.names, run.summaries, strict=True):
        if summary.failed:
            yield "failed", prefix + name, summary.failed
        for warning in summary.warnings:
            yield warning.code, prefix + name, warning.text.removeprefix("no steady state: ")


def _joined(texts: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((", ".join(where), text) for text, where in texts.items())
