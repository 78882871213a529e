"""What a reader must know before trusting a run, the gravest first, the same words said once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.report.run.figures import failed
from paretoken.report.run.reading import MeasuredRun, failed_gate

TITLES = {
    "accuracy": "Failed its accuracy gate",
    "unfinished": "Not finished",
    "failed": "Failed levels",
    "client_limited": "The client was the limit",
    "no_steady_state": "No steady state",
    "errors": "Errors",
    "short_output": "Short output",
    "cut": "Requests cut",
    "cache_hits": "Prefix-cache hits",
    "preemptions": "Preemptions",
    "no_usage": "No usage",
    "count_mismatch": "Counts disagree",
    "input_mismatch": "Input length",
    "coalesced": "Merged reads",
    "ttft_merged": "TTFT at most",
}
"""By code, in order of gravity; a code that is not here comes last under its own name."""

MINOR = "quantile"
"""Codes that begin so are about rare quantiles: told, but not at the head."""


@dataclass(frozen=True, slots=True)
class Warned:
    """One kind of warning, and each of its sentences with the levels it holds for."""

    code: str
    title: str
    said: tuple[tuple[str, str], ...]


def warnings_of(runs: Sequence[MeasuredRun], *, minor: bool = False) -> list[Warned]:
    """The warnings of all runs by kind; `minor` gives those about rare quantiles instead."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for code, where, text in _each(run, f"{run.name}: " if len(runs) > 1 else ""):
            if code.startswith(MINOR) == minor:
                kinds.setdefault(code, {}).setdefault(text, []).append(where)
    order = list(TITLES)
    grave = sorted(kinds, key=lambda code: order.index(code) if code in order else len(order))
    return [Warned(code, TITLES.get(code, code.replace("_", " ").capitalize()), _said(kinds[code])) for code in grave]


def _each(run: MeasuredRun, prefix: str) -> Iterable[tuple[str, str, str]]:
    """(code, where, text) of everything said about a run."""
    if why := failed_gate(run):
        yield "accuracy", prefix.rstrip(": ") or "this run", f"{why}; its throughput is that of wrong tokens"
    if run.unfinished:
        levels = "1 level was" if run.unfinished == 1 else f"{run.unfinished} levels were"
        yield "unfinished", prefix.rstrip(": ") or "this run", f"{levels} begun and not finished, and not shown here"
    for name, level in zip(run.names, run.levels, strict=True):
        if why := failed(level.summary):
            yield "failed", prefix + name, why
        for w in level.summary.get("warnings") or []:
            yield w["code"], prefix + name, w["text"].removeprefix("no steady state: ")


def _said(texts: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((", ".join(where), text) for text, where in texts.items())
