"""Coverage and accuracy together, for the report and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from paretoken.accuracy.gate import Gate, read_gate
from paretoken.parity.history import Entry, History, read_history, shipped_history

VERSION = 1


@dataclass(frozen=True, slots=True)
class Overview:
    """A series of coverage, and verdicts of the accuracy gate."""

    history: History
    gates: tuple[Gate, ...] = ()

    def newest(self) -> list[Entry]:
        """The latest entry of each engine."""
        return list({e.engine: e for e in self.history.entries}.values())

    def as_json(self) -> dict[str, object]:
        return {
            "schema_version": VERSION,
            "coverage": asdict(self.history),
            "accuracy": [{"verdict": g.verdict, **asdict(g)} for g in self.gates],
        }


def overview_of(history: Path | None = None, gates: Iterable[Path] = ()) -> Overview:
    """Read a series (the shipped one if none is given) and gates."""
    return Overview(read_history(history) if history else shipped_history(), tuple(map(read_gate, gates)))
