"""Whether new runs are a regression: `paretoken check`, and `paretoken bench --compare` at equal load.

The rule and its thresholds are in `history.judgement`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.seam import Question
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import Axis
from paretoken.history.at_latency import ThroughputChange, changes, shares_latency
from paretoken.history.at_load import Difference as Difference
from paretoken.history.at_load import RunComparison
from paretoken.history.compare_runs import compare_runs
from paretoken.history.judgement import ALLOWED_DROP, conclusion
from paretoken.history.run_curves import RunCurve, read_curves, why_none

Curves = tuple[list[RunCurve], list[RunCurve]]
"""Of the baseline and of the new runs."""


@dataclass(frozen=True, kw_only=True)
class CheckQuestion(Question):
    """Did performance regress between measured runs and a baseline, beyond the noise?

    `runs` and `baselines` are folders of runs or of campaigns; several of a side show the noise between runs.
    """

    runs: Annotated[tuple[Path, ...], Field(description="Folders of the new runs", min_length=1)]
    baselines: Annotated[tuple[Path, ...], Field(description="Folders of the baseline", min_length=1)]
    at: Annotated[
        Literal["auto", "latency", "load"],
        Field(
            description="Compare at equal latency or at equal load; auto: at latency if both sides' curves share one"
        ),
    ] = "auto"
    e2e_s: Annotated[tuple[float, ...], Field(description="E2E latencies to compare at, s")] = ()
    interactivity: Annotated[tuple[float, ...], Field(description="Interactivities to compare at, tok/s/user")] = ()
    allow: Annotated[float, Field(description="Drop of throughput that is allowed, as a share", ge=0, lt=1)] = (
        ALLOWED_DROP
    )
    force: Annotated[bool, Field(description="At equal load: compare runs whose settings differ")] = False


@dataclass(frozen=True, kw_only=True)
class CheckAnswer(TypedAnswer):
    """The comparisons, at equal latency or at equal load, and what regressed.

    `why_at_load` says why they are at equal load although nobody asked for that.
    """

    changes: tuple[ThroughputChange, ...] = ()
    comparison: RunComparison | None = None
    regressions: tuple[str, ...] = ()
    why_at_load: str | None = None

    def rows_of_table(self) -> list[Row]:
        """The changes at equal latency, or the differences at equal load."""
        return flat_rows(self.changes or (self.comparison.differences if self.comparison else ()), {})

    @property
    def comparisons(self) -> int:
        """How many things were compared: figures, and levels of the new run that leave none to compare."""
        return len(self.changes) + (self.comparison.compared if self.comparison else 0)

    @property
    def conclusion(self) -> str:
        """`1 of 3 comparisons regressed`."""
        return conclusion(len(self.regressions), self.comparisons)


@takes(CheckQuestion)
def check(question: CheckQuestion) -> CheckAnswer:
    """New runs against a baseline; NoData if they have nothing in common."""
    if question.e2e_s and question.interactivity:
        raise BadConfig("give E2E latencies (--e2e) or interactivities (--interactivity), not both")
    if question.at == "load":
        return _at_load(question)
    axis: Axis = "interactivity" if question.interactivity else "e2e"
    curves = read_curves(question.baselines, axis), read_curves(question.runs, axis)
    asks_latency = question.at == "latency" or question.e2e_s or question.interactivity
    if not asks_latency and (why := _why_at_load(curves, axis)):
        return replace(_at_load(question), why_at_load=why)
    return _at_latency(question, curves, axis)


def _why_at_load(curves: Curves, axis: Axis) -> str:
    """Why the curves share no latency; empty where they share one, or no configuration."""
    before, after = curves
    if not before or not after:
        return "no level of a side is long enough for a curve"
    common = {c.of for c in before} & {c.of for c in after}
    if not common or shares_latency(before, after, axis):
        return ""
    single = any(len(c.latency_s) == 1 for c in (*before, *after) if c.of in common)
    return "a run has a single level" if single else "the curves share no latency"


def _at_latency(question: CheckQuestion, curves: Curves, axis: Axis) -> CheckAnswer:
    for places, side in zip((question.baselines, question.runs), curves, strict=True):
        if not side:
            raise NoData(why_none(places, axis))
    compared = changes(*curves, axis, question.e2e_s or question.interactivity, question.allow)
    return CheckAnswer(changes=tuple(compared), regressions=tuple(str(c) for c in compared if c.regression))


def _at_load(question: CheckQuestion) -> CheckAnswer:
    if question.e2e_s or question.interactivity:
        raise BadConfig("a comparison at equal load takes no latency; leave out --e2e and --interactivity")
    comparison = compare_runs(question.baselines, question.runs, force=question.force)
    return CheckAnswer(comparison=comparison, regressions=comparison.regressions)
