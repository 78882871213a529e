"""Traces of splitwise-sim: CSV of arrival_timestamp (s), prompt_size, token_size, and ids that are not used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, records

NAME = "splitwise-sim"
RULE = "times in s"


def detects(head: Head) -> bool:
    """Columns that no other format has."""
    return {"prompt_size", "token_size"} <= set(head.columns)


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in records(path):
        yield (
            row,
            TraceRequest(
                time_s=row.time_s("arrival_timestamp"),
                input_tokens=row.tokens("prompt_size"),
                output_tokens=row.tokens("token_size"),
            ),
        )
