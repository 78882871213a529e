"""The overview: CI coverage over time and accuracy verdicts together, for the report and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.accuracy.gate_file import Gate, read_gate
from paretoken.accuracy.verdicts import TierVerdict
from paretoken.answers.seam import Question
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.parity.history import History, HistoryEntry, read_history, shipped_history

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class OverviewQuestion(Question):
    """How much of their accelerators do engines test in CI, and which accuracy gates passed?

    `history` is a file with a series of CI coverage, `gates` are files with verdicts of the accuracy gate.
    """

    history: Annotated[Path | None, Field(description="Series of parity history; by default the shipped one")] = None
    gates: Annotated[tuple[Path, ...], Field(description="Verdicts of the accuracy gate")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """One accuracy gate: its verdict, what it was about, and the verdict of each tier."""

    verdict: str
    model: str
    engine: str
    endpoint: str
    made: str
    tiers: tuple[TierVerdict, ...]
    reference: str

    @classmethod
    def of(cls, gate: Gate) -> GateAnswer:
        return cls(
            verdict=gate.verdict,
            model=gate.model,
            engine=gate.engine,
            endpoint=gate.endpoint,
            made=gate.made,
            tiers=gate.tiers,
            reference=gate.reference,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewAnswer(TypedAnswer):
    """A series of CI coverage, and verdicts of the accuracy gate."""

    TABLE: ClassVar[str] = "accuracy"
    schema_version: int = VERSION
    coverage: History
    accuracy: tuple[GateAnswer, ...] = ()

    def newest(self) -> list[HistoryEntry]:
        """The latest entry of each engine."""
        return list({e.engine: e for e in self.coverage.entries}.values())


@takes(OverviewQuestion)
def overview(question: OverviewQuestion) -> OverviewAnswer:
    """Read the series and the verdicts of a question."""
    series = read_history(question.history) if question.history else shipped_history()
    gates = map(read_gate, question.gates)
    return OverviewAnswer(coverage=series, accuracy=tuple(map(GateAnswer.of, gates)))
