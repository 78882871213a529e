"""BurstGPT traces: CSV of Timestamp (s), Model, Request tokens, Response tokens, Total tokens, Log Type.

The third release adds Session ID and Elapsed time after the timestamp. Failed requests have 0 response tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, records

NAME = "burstgpt"
RULE = "times in s"


def detects(head: Head) -> bool:
    """Columns that no other format has."""
    return bool({"Request tokens", "Response tokens"} & set(head.columns))


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in records(path):
        yield (
            row,
            TraceRequest(
                time_s=row.time_s("Timestamp"),
                input_tokens=row.tokens("Request tokens"),
                output_tokens=row.tokens("Response tokens"),
                session=str(row.values.get("Session ID") or ""),
            ),
        )
