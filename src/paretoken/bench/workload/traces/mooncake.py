"""Mooncake traces: JSON lines of timestamp (ms), input_length, output_length and hash_ids of 512-token blocks.

A hash id names a block and all blocks before it, ⌈input_length / 512⌉ of them (Qin et al., FAST '25, and its
release in kvcache-ai/Mooncake). NVIDIA's AIPerf and Dynamo write the same form and more: `timestamp_ms`, and text in
`text_input` or `input_text` instead of a length. Times and ids may be left out. A file that begins with a session is
read by `paretoken.sessions.forms.mooncake`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.sessions.fields import blocks_of
from paretoken.sessions.forms.mooncake import DELAYS, TIMES, first_s
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "mooncake"
RULE = "times in ms, blocks of 512 tokens"
_TEXTS = ("text_input", "input_text")


def detects(head: Head) -> bool:
    """Keys that no other format has."""
    return bool({"input_length", "output_length", "hash_ids", *_TEXTS} & head.keys) and "chat_id" not in head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in objects(path):
        if first_s(row, DELAYS) is not None:
            raise row.bad("delay counts from the answer before it in a session; add session_id, also to the first row")
        yield (
            row,
            TraceRequest(
                time_s=first_s(row, TIMES),
                input_tokens=_tokens(row, "input_length"),
                output_tokens=_tokens(row, "output_length"),
                blocks=blocks_of(row, "hash_ids"),
                prompt=text_of(row),
                session=str(row.values.get("session_id") or ""),
            ),
        )


def text_of(row: TraceRow) -> str | None:
    """The text of the first of `_TEXTS` that the row has."""
    text = next((row.values[name] for name in _TEXTS if row.values.get(name) is not None), None)
    if text is not None and not isinstance(text, str):
        raise row.bad(f"{str(text)[:40]!r} is not text")
    return text


def _tokens(row: TraceRow, name: str) -> int | None:
    """A length; None where the row has text instead."""
    return None if row.values.get(name) is None and text_of(row) is not None else row.tokens(name)
