"""What came of an export: how many spans arrived, how many did not, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

from paretoken.foreign_text import one_line
from paretoken.plural import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What one process exported, within `seconds`, `cpu_s` of them work.

    The collector confirmed `spans`, and did not confirm `lost` others. `requests` are those that got no span, or whose
    level was not exported to its end. `settled` are the requests of the levels that the process is done with.
    """

    spans: int = 0
    lost: int = 0
    requests: int = 0
    settled: int = 0
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
        if not self.lost and not self.requests and not self.problem:
            return f"OpenTelemetry: {counted(self.spans, 'span')} exported"
        counts = ((self.lost, "span"), (self.requests, "request"))
        lost = " and ".join(counted(count, noun) for count, noun in counts if count) or "metrics"
        return f"warning: OpenTelemetry: {lost} not confirmed, {counted(self.spans, 'span')} exported: {self.problem}"
