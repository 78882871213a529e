"""What came of an export: how many spans arrived, how many did not, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

from paretoken.foreign_text import one_line
from paretoken.plural import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """`spans` arrived, within `seconds`, of which `cpu_s` were work; that `lost` arrived, nobody confirmed."""

    spans: int = 0
    lost: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    problem: str = ""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: bytes) -> ExportReport:
        """The report of an exporting process; ValueError where it left none."""
        values = orjson.loads(text)
        return cls(**values | {"problem": one_line(str(values["problem"]))})

    @property
    def sentence(self) -> str:
        """One line for the user: what was exported, or a warning."""
        if not self.lost and not self.problem:
            return f"OpenTelemetry: {counted(self.spans, 'span')} exported"
        lost = f"{counted(self.lost, 'span')} not confirmed" if self.lost else "metrics not confirmed"
        return f"warning: OpenTelemetry: {lost}, {self.spans:,} exported: {self.problem}"
