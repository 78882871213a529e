"""Qwen usage traces of Alibaba's Bailian: JSON lines like Mooncake's, with times in s and ids of 16-token blocks.

`chat_id` and `parent_chat_id` link the turns of a conversation; each line is a whole request as it was received.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.sessions.fields import blocks_of
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "bailian"
RULE = "times in s, blocks of 16 tokens"
BLOCK_TOKENS = 16


def detects(head: Head) -> bool:
    """The ids of conversations beside Mooncake's keys."""
    return {"chat_id", "input_length"} <= head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in objects(path):
        yield (
            row,
            TraceRequest(
                time_s=row.time_s("timestamp"),
                input_tokens=row.tokens("input_length"),
                output_tokens=row.tokens("output_length"),
                blocks=blocks_of(row, "hash_ids"),
            ),
        )
