"""ShareGPT-form conversations: a JSON list (or lines) of objects with `conversations` of from and value.

As other tools do, the first user message is the prompt and the answer to it gives the output length.
Later turns are left out; conversations that do not begin with such a pair count as failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, objects

NAME = "sharegpt"
RULE = "no times; the first exchange of each conversation"
_USER = ("human", "user")
_ANSWER = ("gpt", "assistant", "chatgpt", "model", "bing", "bard")


def detects(head: Head) -> bool:
    """The one key that names the form."""
    return bool({"conversations", "conversation"} & head.keys)


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """The first exchange of every conversation."""
    for row in objects(path):
        yield row, _exchange(row)


def _exchange(row: TraceRow) -> TraceRequest:
    key = "conversation" if "conversation" in row.values else "conversations"
    turns = row.get(key)
    if not isinstance(turns, list):
        raise row.bad(f"{key!r} must be a list of turns with from and value")
    pairs = [_turn(row, turn) for turn in turns]
    if pairs and pairs[0][0] == "system":
        pairs = pairs[1:]
    if len(pairs) < 2 or pairs[0][0] not in _USER or pairs[1][0] not in _ANSWER or not pairs[0][1] or not pairs[1][1]:
        return TraceRequest(prompt="", answer="", session=str(row.values.get("id", "")))
    tools = row.values.get("tools")
    return TraceRequest(
        prompt=pairs[0][1], answer=pairs[1][1], session=str(row.values.get("id", "")), tools=1 if tools else 0
    )


def _turn(row: TraceRow, turn: object) -> tuple[str, str]:
    if not isinstance(turn, dict):
        raise row.bad(f"the turn {str(turn)[:40]!r} is not an object with from and value")
    who, text = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    if not isinstance(who, str) or not isinstance(text, str):
        raise row.bad("a turn lacks its 'from' and 'value' (or 'role' and 'content')")
    return who, text
