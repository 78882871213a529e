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
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "mooncake"
RULE = "times in ms, blocks of 512 tokens"
_TEXTS = ("text_input", "input_text")
_TIMES = ("timestamp", "timestamp_ms")
_DELAYS = ("delay", "delay_ms")


def detects(head: Head) -> bool:
    """Keys that no other format has."""
    return bool({"input_length", "output_length", "hash_ids", *_TEXTS} & head.keys) and "chat_id" not in head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file; a later turn of a session bears the time of its first."""
    begun_s: dict[str, float | None] = {}
    for row in objects(path):
        session = str(row.values.get("session_id") or "")
        time_s, after_s = _optional_s(row, _TIMES), _optional_s(row, _DELAYS)
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
                blocks=block_ids(row),
                prompt=text_of(row, _TEXTS),
                session=session,
                after_s=after_s if session else None,
            ),
        )


def block_ids(row: TraceRow) -> tuple[int, ...]:
    """The ids of a prompt's blocks, none where the row states none."""
    ids = row.values.get("hash_ids")
    if ids is None:
        return ()
    if not isinstance(ids, list) or not all(type(i) is int for i in ids):
        raise row.bad("hash_ids must be a list of whole numbers")
    return tuple(ids)


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


def _optional_s(row: TraceRow, names: tuple[str, ...]) -> float | None:
    name = next((n for n in names if row.values.get(n) is not None), None)
    return None if name is None else row.time_s(name, unit_s=1e-3)
