"""One request as attributes of a span, by OpenTelemetry's GenAI conventions 0.1.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretoken.bench.telemetry.span_source import SpanSource, SpanTarget
from paretoken.foreign_text import visible
from paretoken.points.statuses import OK

NO_FAILURES = (OK, "cancelled")
"""Complete answers, and those that the client cut at the end of a level."""
LONGEST_REASON = 64
"""Characters of a finish reason, which are the server's."""
_COUNTS = {
    "planned_output": "gen_ai.request.max_tokens",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "http_status": "http.response.status_code",
}


class RequestAttributes:
    """Attributes and names of the spans of a run's requests."""

    def __init__(self, source: SpanSource) -> None:
        self._operation, self._targets = source.operation, source.targets
        self._fixed = [self._of_target(source, target) for target in source.targets]

    def name(self, row: Mapping[str, Any]) -> str:
        """`chat MODEL`."""
        return f"{self._operation} {self._targets[self._place(row)].model}"

    def of(self, row: Mapping[str, Any], begin_ns: int) -> dict[str, Any]:
        """The attributes of a request that began then; what is unknown is -1 in `row`, and left out."""
        status = str(row["status"])
        values = {**self._fixed[self._place(row)], "paretoken.status": status}
        for column, attribute in _COUNTS.items():
            count = row[column]
            if count >= 0:
                values[attribute] = count
        if row["first_ns"] >= 0:
            values["gen_ai.response.time_to_first_chunk"] = (row["first_ns"] - begin_ns) / 1e9
        if row["sent_ns"] >= 0:
            values["paretoken.send_lateness"] = (row["sent_ns"] - row["due_ns"]) / 1e9
        if row["finish_reason"]:
            values["gen_ai.response.finish_reasons"] = (visible(row["finish_reason"])[:LONGEST_REASON],)
        if row["turn"] >= 0 and row["session"] >= 0:
            values["paretoken.turn"] = row["turn"]
        if is_failure(status):
            values["error.type"] = error_type(status, row["http_status"])
        return values

    def _place(self, row: Mapping[str, Any]) -> int:
        return int(row["endpoint"]) if 0 <= row["endpoint"] < len(self._targets) else 0

    @staticmethod
    def _of_target(source: SpanSource, target: SpanTarget) -> dict[str, Any]:
        return {**common_attributes(source, target), "gen_ai.request.stream": source.stream}


def common_attributes(source: SpanSource, target: SpanTarget) -> dict[str, str | int]:
    """What spans and metrics of requests to a server have in common."""
    return {
        "gen_ai.operation.name": source.operation,
        "gen_ai.provider.name": source.provider,
        "gen_ai.request.model": target.model,
        "server.address": target.address,
        "server.port": target.port,
    }


def is_failure(status: str) -> bool:
    """Whether a request failed; one that the client cut at the end of a level did not."""
    return status not in NO_FAILURES


def error_type(status: str, http_status: int | None) -> str:
    """The HTTP status of a refusal, else how the request ended."""
    return str(http_status) if status.startswith("http_") and http_status and http_status > 0 else status
