"""AIPerf's multi-turn files: JSON lines of session_id and `turns`, each with text, and output_length or delay (ms).

A turn is sent after the answer to the one before. It holds all turns before it; what the server answered to these is
stood in for by text of the planned length. A leading turn with the role `system` is no request of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.traces.request import STAND_IN, TraceRequest
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "AIPerf turns"
RULE = "times in ms; each turn follows the answer before it"
_TEXTS = ("text", "content")


def detects(head: Head) -> bool:
    """A list of turns."""
    return "turns" in head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every turn of every conversation, in the order of the file."""
    for number, row in enumerate(objects(path)):
        turns = row.get("turns")
        if not isinstance(turns, list) or not turns or not all(isinstance(t, dict) for t in turns):
            raise row.bad("turns must be a list of objects with text, one or more")
        session = str(row.values.get("session_id") or f"conversation {number}")
        yield from _conversation(
            session, [TraceRow(t, row.file, f"{row.place}, turn {i}") for i, t in enumerate(turns)]
        )


def _conversation(session: str, turns: list[TraceRow]) -> Iterator[tuple[TraceRow, TraceRequest]]:
    messages: list[Message] = []
    begun_s: float | None = None
    sent = 0
    for turn in turns:
        role = str(turn.values.get("role") or "user")
        if role == "user" and sent and messages[-1]["role"] == "user":
            messages.append(STAND_IN)
        messages.append({"role": role, "content": _text(turn)})
        if role != "user":
            continue
        if not sent:
            begun_s = turn.time_s("timestamp", unit_s=1e-3) if turn.values.get("timestamp") is not None else None
        delay_s = turn.time_s("delay", unit_s=1e-3) if turn.values.get("delay") is not None else 0.0
        output = turn.tokens("output_length") if turn.values.get("output_length") is not None else None
        yield (
            turn,
            TraceRequest(
                time_s=begun_s,
                output_tokens=output,
                messages=tuple(messages),
                session=session,
                after_s=delay_s if sent else None,
            ),
        )
        sent += 1


def _text(turn: TraceRow) -> str:
    """The text of a turn: one string, or a list of strings or of objects with `contents`."""
    value = next((turn.values[n] for n in (*_TEXTS, "texts") if turn.values.get(n) is not None), None)
    if isinstance(value, str):
        return value
    parts: list[str] = []
    for part in value if isinstance(value, list) else ():
        contents = part.get("contents") if isinstance(part, dict) else [part]
        parts += [text for text in contents or () if isinstance(text, str)] if isinstance(contents, list) else []
    if not parts:
        raise turn.bad("the field 'text' is missing or holds no text")
    return "\n".join(parts)
