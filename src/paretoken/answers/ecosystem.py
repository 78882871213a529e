"""The overview: CI coverage over time and accuracy verdicts together, for the report and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.accuracy.gate import Gate, read_gate
from paretoken.answers.seam import Question
from paretoken.parity.history import History, HistoryEntry, read_history, shipped_history

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class OverviewQuestion(Question):
    """Which series of CI coverage, and which verdicts."""

    history: Annotated[Path | None, Field(description="Series of parity history; None for the shipped one")] = None
    gates: Annotated[tuple[Path, ...], Field(description="Verdicts of the accuracy gate")] = ()


@dataclass(frozen=True, slots=True)
class OverviewAnswer:
    """A series of CI coverage, and verdicts of the accuracy gate."""

    history: History
    gates: tuple[Gate, ...] = ()

    def newest(self) -> list[HistoryEntry]:
        """The latest entry of each engine."""
        return list({e.engine: e for e in self.history.entries}.values())

    def as_json(self) -> dict[str, object]:
        """The answer with a schema version and the verdict of each gate."""
        return {
            "schema_version": VERSION,
            "coverage": asdict(self.history),
            "accuracy": [{"verdict": g.verdict, **asdict(g)} for g in self.gates],
        }


def overview(question: OverviewQuestion) -> OverviewAnswer:
    """Read the series and the verdicts of a question."""
    series = read_history(question.history) if question.history else shipped_history()
    return OverviewAnswer(series, tuple(map(read_gate, question.gates)))
