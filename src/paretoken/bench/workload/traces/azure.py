"""Azure LLM inference traces: CSV of TIMESTAMP, ContextTokens, GeneratedTokens.

2023 (Splitwise) writes `2023-11-16 18:17:03.9799600`, 100 ns and no zone; 2024 (DynamoLLM)
`2024-05-10 00:00:00.009930+00:00`. Only differences count, so a time without a zone is taken as UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, records

NAME = "azure"
RULE = "times as recorded"
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def detects(head: Head) -> bool:
    """Columns that no other format has."""
    return bool({"ContextTokens", "GeneratedTokens"} & set(head.columns))


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in records(path):
        yield (
            row,
            TraceRequest(
                time_s=_time_s(row),
                input_tokens=row.tokens("ContextTokens"),
                output_tokens=row.tokens("GeneratedTokens"),
            ),
        )


def _time_s(row: TraceRow) -> float:
    """Seconds since 2020; a plain number is taken as seconds, as some copies write them."""
    text = str(row.get("TIMESTAMP")).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        if text.lstrip("+-").replace(".", "", 1).isdigit():
            return row.time_s("TIMESTAMP")
        raise row.bad(f"TIMESTAMP {text[:40]!r} is not a time like 2023-11-16 18:17:03.979") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds()
