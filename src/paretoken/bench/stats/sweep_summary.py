"""What `summary.json` of a run holds: its levels, the spread between repeats, and the answer of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import TypedDict

from paretoken.bench.documents import RunFile
from paretoken.bench.plan import load_name
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.repeats import RepeatedLoad


class SearchAnswer(TypedDict, total=False):
    """The answer of a search, or why a climb ended: `users` or `rate` is the load, None where none met the SLOs.

    `fails_at` is the lowest load that failed; with `at_least` the client was the limit above the answer.
    `unknown` is whether no load could be judged, as where answers arrive in one piece or are too few.
    """

    kind: Literal["slo", "knee", "climb"]
    users: int | float | None
    rate: int | float | None
    steps: int
    doubts: list[str]
    slo: str
    fails_at: int | float | None
    at_least: bool
    unknown: bool
    ended: str


class AnswerAlone(TypedDict, total=False):
    """The one key of the file that is read before the levels are."""

    answer: SearchAnswer | None


def load_found(answer: SearchAnswer) -> str | None:
    """The load of the answer in words; None where none met the SLOs."""
    users, rate = answer.get("users"), answer.get("rate")
    if rate is not None:
        return load_name("open", rate)
    return None if users is None else load_name("closed", users)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSummary(RunFile):
    """All levels of a run."""

    SCHEMA: ClassVar[str] = "paretoken.sweep"
    CALLED: ClassVar[str] = "the summary of a run"

    levels: tuple[LevelSummary, ...] = ()
    repeats: tuple[RepeatedLoad, ...] = ()
    answer: SearchAnswer | None = None
