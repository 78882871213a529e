"""Whether new runs are a regression: `paretoken check`, and `paretoken bench --compare` at equal load.

The rule and its thresholds are in `history.judgement`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.errors import BadConfig
from paretoken.history.at_latency import ThroughputChange, changes
from paretoken.history.at_load import Difference as Difference
from paretoken.history.at_load import RunComparison
from paretoken.history.compare_runs import compare_runs
from paretoken.history.judgement import ALLOWED_DROP
from paretoken.history.run_curves import read_curves


@dataclass(frozen=True, kw_only=True)
class CheckQuestion(Question):
    """New runs and the baseline: folders of runs or of campaigns; several of a side show the noise between runs."""

    runs: Annotated[tuple[Path, ...], Field(description="Folders of the new runs", min_length=1)]
    baselines: Annotated[tuple[Path, ...], Field(description="Folders of the baseline", min_length=1)]
    at: Annotated[Literal["latency", "load"], Field(description="Compare at equal latency or at equal load")] = (
        "latency"
    )
    e2e_s: Annotated[tuple[float, ...], Field(description="E2E latencies to compare at, s")] = ()
    interactivity: Annotated[tuple[float, ...], Field(description="Interactivities to compare at, tok/s/user")] = ()
    allow: Annotated[float, Field(description="Drop of throughput that is allowed, as a share", ge=0, lt=1)] = (
        ALLOWED_DROP
    )
    force: Annotated[bool, Field(description="At equal load: compare runs whose settings differ")] = False


@dataclass(frozen=True, kw_only=True)
class CheckAnswer:
    """The comparisons, at equal latency or at equal load, and what regressed."""

    changes: tuple[ThroughputChange, ...] = ()
    comparison: RunComparison | None = None
    regressions: tuple[str, ...] = ()

    @property
    def comparisons(self) -> int:
        """How many figures were compared."""
        return len(self.changes) + (len(self.comparison.differences) if self.comparison else 0)


def check(question: CheckQuestion) -> CheckAnswer:
    """New runs against a baseline; NoData if they have nothing in common."""
    if question.e2e_s and question.interactivity:
        raise BadConfig("give E2E latencies (--e2e) or interactivities (--interactivity), not both")
    if question.at == "load":
        return _at_load(question)
    axis: Literal["e2e", "interactivity"] = "interactivity" if question.interactivity else "e2e"
    before, after = (read_curves(places, axis) for places in (question.baselines, question.runs))
    compared = changes(before, after, axis, question.e2e_s or question.interactivity, question.allow)
    return CheckAnswer(changes=tuple(compared), regressions=tuple(str(c) for c in compared if c.regression))


def _at_load(question: CheckQuestion) -> CheckAnswer:
    if question.e2e_s or question.interactivity:
        raise BadConfig("a comparison at equal load takes no latency; leave out --e2e and --interactivity")
    comparison = compare_runs(question.baselines, question.runs, force=question.force)
    return CheckAnswer(comparison=comparison, regressions=comparison.regressions)
