"""Two runs side by side at equal load: each figure of both, the change with its interval, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.answers.check import CheckAnswer, CheckQuestion, Difference, check
from paretoken.bench.plan import load_name
from paretoken.errors import BadFile, NoData
from paretoken.plural import counted
from paretoken.report.numbers import shown
from paretoken.report.run.reading import MeasuredRun

ERRORS = "error rate"
IN_LEAD = ("Output throughput", "Median TTFT", "Median E2E", "Error rate")
"""Figures that the lead names."""
UNITS = {"throughput": ("tok/s", 1.0), "TTFT": ("ms", 1e3), "TPOT": ("ms", 1e3), "E2E": ("s", 1.0)}
"""By the last word of a figure's name: its unit here, and the factor to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One figure at one load; `verdict` is better, worse, or that nothing beyond noise is seen."""

    load: str
    name: str
    unit: str
    a: str
    b: str
    change: str
    interval: str
    verdict: str

    @property
    def figure(self) -> str:
        """`Median TTFT, ms`."""
        return f"{self.name}, {self.unit}"


@dataclass(frozen=True, slots=True)
class RunChange:
    """The rows by load with what they come to in a sentence, or why there is none."""

    lead: str = ""
    rows: tuple[ChangeRow, ...] = ()
    absent: str = ""


def change(a: MeasuredRun, b: MeasuredRun) -> RunChange:
    """Run B against run A."""
    folders = tuple((run.levels[0].folder.parent.parent,) for run in (a, b))
    try:
        answer = check(CheckQuestion(baselines=folders[0], runs=folders[1], at="load", force=True))
    except (NoData, BadFile) as e:
        return RunChange(absent=str(e))
    return change_of(answer)


def change_of(answer: CheckAnswer) -> RunChange:
    """What a check at equal load found."""
    rows = change_rows(answer.comparison.differences if answer.comparison else ())
    return RunChange(_lead(rows), rows)


def change_rows(differences: Sequence[Difference]) -> tuple[ChangeRow, ...]:
    """The differences of a comparison at equal load for a reader."""
    return tuple(_row(one) for one in differences)


def _lead(rows: Sequence[ChangeRow]) -> str:
    """`at equal load: worse in 14 of 15 figures, better in none. At 16 users: output throughput
    −34 %, …`; the figures named are those beyond noise at the highest load that has any."""
    if not rows:
        return ""
    verdicts = Counter(row.verdict for row in rows)
    worse, better = verdicts["worse"], verdicts["better"]
    if not worse and not better:
        return f"at equal load: no difference beyond noise in {counted(len(rows), 'figure')}."
    beyond = [row for row in rows if row.verdict in ("worse", "better")]
    named = [row for row in beyond if row.load == beyond[-1].load and row.name in IN_LEAD]
    figures = ", ".join(f"{row.name[0].lower()}{row.name[1:]} {row.change}" for row in named)
    count = f"worse in {worse or 'none'} of {counted(len(rows), 'figure')}, better in {better or 'none'}"
    return f"at equal load: {count}.{f' At {named[0].load}: {figures}.' if named else ''}"


def _row(one: Difference) -> ChangeRow:
    errors = one.figure == ERRORS
    unit, scale = ("%", 100.0) if errors else UNITS.get(one.figure.split()[-1], ("", 1.0))
    change, low, high = (percent_change(x, points=errors) for x in (one.change, one.low, one.high))
    return ChangeRow(
        load=load_name(*one.load),
        name=f"{one.figure[:1].upper()}{one.figure[1:]}",
        unit=unit,
        a=shown(one.a * scale, 4),
        b=shown(one.b * scale, 4),
        change=change,
        interval=f"{low} to {high}",
        verdict=_verdict(one, errors),
    )


def _verdict(one: Difference, errors: bool) -> str:
    if one.significant:
        return "better" if one.better else "worse"
    return "within noise" if errors else f"within noise (a change of {one.visible:.0%} would show)"


def percent_change(value: float, *, points: bool = False) -> str:
    """A change as signed percent, or as percentage points."""
    return f"{value * 100:+.1f}\u00a0{'points' if points else '%'}".replace("-", "−")
