"""The warnings of the levels of a run: one of each kind, the gravest first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.warnings import by_gravity
from paretoken.plural import counted

MOST_NAMED = 3
RARE = "quantile"
"""Codes with this prefix are about quantiles that are left out; tables say so themselves."""


@dataclass(frozen=True, slots=True)
class KindOfWarning:
    """A kind of warning over a run: the sentence of the highest load that has it, and the other loads."""

    code: str
    load: str
    text: str
    others: tuple[str, ...]

    @property
    def line(self) -> str:
        named = ", ".join(self.others)
        if len(self.others) > MOST_NAMED:
            named = counted(len(self.others), "other level")
        return f"{self.load}: {self.text}" + (f" (also {named})" if self.others else "")


def kinds_of_warning(levels: Sequence[tuple[str, LevelSummary]], without: Collection[str] = ()) -> list[KindOfWarning]:
    """The warnings of levels by name, in order of load, but for the codes in `without`; each failure is its own."""
    by_kind: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, summary in levels:
        for code, text in (pair for pair in _warnings(summary) if pair[0] not in without):
            by_kind.setdefault((code, text if code == "failed" else ""), []).append((name, text))
    kinds = [
        KindOfWarning(code, *texts[-1], tuple(dict.fromkeys(name for name, _ in texts[:-1] if name != texts[-1][0])))
        for (code, _), texts in by_kind.items()
    ]
    return sorted(kinds, key=lambda kind: by_gravity(kind.code))


def _warnings(summary: LevelSummary) -> Iterator[tuple[str, str]]:
    if summary.failed:
        yield "failed", f"FAILED: {summary.failed}{_first_error(summary)}"
    for warning in summary.warnings:
        if not warning.code.startswith(RARE):
            detail = _first_error(summary) if warning.code == "errors" and not summary.failed else ""
            yield warning.code, warning.text + detail


def _first_error(summary: LevelSummary) -> str:
    """The server's words for the most frequent failure, after a semicolon; empty without any."""
    errors = summary.errors
    kinds = sorted((-n, status) for status, n in errors.by_status.items() if errors.detail.get(status))
    return f"; {kinds[0][1]}: {errors.detail[kinds[0][1]]}" if kinds else ""
