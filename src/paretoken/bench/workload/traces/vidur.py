"""Vidur's processed traces: CSV of arrived_at (s), num_prefill_tokens, num_decode_tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, records

NAME = "vidur"
RULE = "times in s"


def detects(head: Head) -> bool:
    """Columns that no other format has."""
    return {"num_prefill_tokens", "num_decode_tokens"} <= set(head.columns)


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in records(path):
        yield (
            row,
            TraceRequest(
                time_s=row.time_s("arrived_at"),
                input_tokens=row.tokens("num_prefill_tokens"),
                output_tokens=row.tokens("num_decode_tokens"),
            ),
        )
