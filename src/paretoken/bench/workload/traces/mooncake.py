"""Mooncake traces: JSON lines of timestamp (ms), input_length, output_length and hash_ids of 512-token blocks.

A hash id names a block and all blocks before it, ⌈input_length / 512⌉ of them (Qin et al., FAST '25, and its
release in kvcache-ai/Mooncake). NVIDIA's AIPerf and Dynamo write the same form; hash_ids may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.files import Head, objects
from paretoken.bench.workload.traces.request import TraceRequest, TraceRow

NAME = "mooncake"


def detects(head: Head) -> bool:
    """Keys that no other format has."""
    return bool({"input_length", "output_length", "hash_ids"} & head.keys)


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in objects(path):
        yield (
            row,
            TraceRequest(
                time_s=row.time_s("timestamp", unit_s=1e-3),
                input_tokens=row.tokens("input_length"),
                output_tokens=row.tokens("output_length"),
                blocks=_blocks(row),
            ),
        )


def _blocks(row: TraceRow) -> tuple[int, ...]:
    ids = row.values.get("hash_ids")
    if ids is None:
        return ()
    if not isinstance(ids, list) or not all(type(i) is int for i in ids):
        raise row.bad("hash_ids must be a list of whole numbers")
    return tuple(ids)
