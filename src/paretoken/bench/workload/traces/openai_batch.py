"""Input files of OpenAI's batch API: JSON lines of custom_id, url and the body of a request, without times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.plain import request_of
from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "OpenAI batch"
RULE = "no times"


def detects(head: Head) -> bool:
    """A body under an id of its own."""
    return {"custom_id", "body"} <= head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in objects(path):
        body = row.get("body")
        if not isinstance(body, dict):
            raise row.bad("body must be an object, the JSON of a request")
        inner = TraceRow(body, row.file, row.place)
        yield row, request_of(inner)
