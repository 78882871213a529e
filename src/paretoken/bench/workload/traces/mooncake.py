"""Mooncake traces: JSON lines of timestamp (ms), input_length, output_length and hash_ids of 512-token blocks.

A hash id names a block and all blocks before it, ⌈input_length / 512⌉ of them (Qin et al., FAST '25, and its
release in kvcache-ai/Mooncake). NVIDIA's AIPerf and Dynamo write the same form and more: `timestamp_ms`, text in
`text_input` or `input_text` instead of a length, and sessions, whose later turns follow the answer before after a
`delay` (ms). Times and ids may be left out.
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
    """Every request in the order of the file; a later turn of a session bears the time of its first."""
    begun_s: dict[str, float | None] = {}
    for row in objects(path):
        session = str(row.values.get("session_id") or "")
        time_s, after_s = first_s(row, TIMES), first_s(row, DELAYS)
        if after_s is not None and not session:
            raise row.bad("delay counts from the answer before it in a session; add session_id")
        if session and session in begun_s and time_s is None:
            time_s, after_s = begun_s[session], after_s or 0.0
        elif session:
            begun_s.setdefault(session, time_s)
            after_s = None
        yield (
            row,
            TraceRequest(
                time_s=time_s,
                input_tokens=_input_tokens(row),
                output_tokens=_output_tokens(row),
                blocks=blocks_of(row, "hash_ids"),
                prompt=text_of(row, _TEXTS),
                session=session,
                after_s=after_s if session else None,
            ),
        )


def text_of(row: TraceRow, names: tuple[str, ...]) -> str | None:
    """The text of the first of these fields that the row has."""
    text = next((row.values[name] for name in names if row.values.get(name) is not None), None)
    if text is not None and not isinstance(text, str):
        raise row.bad(f"{str(text)[:40]!r} is not text")
    return text


def _input_tokens(row: TraceRow) -> int | None:
    if row.values.get("input_length") is None and text_of(row, _TEXTS) is not None:
        return None
    return row.tokens("input_length")


def _output_tokens(row: TraceRow) -> int | None:
    if row.values.get("output_length") is None and text_of(row, _TEXTS) is not None:
        return None
    return row.tokens("output_length")
