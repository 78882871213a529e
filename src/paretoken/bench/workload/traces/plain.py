"""Plain requests: JSON lines (or a list) of `prompt`, `messages` or `input_tokens`, with `output_tokens`.

`time_s` is the time in seconds and may be left out in all of them; `max_tokens` and
`max_completion_tokens` mean `output_tokens`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.traces.files import Head, objects
from paretoken.bench.workload.traces.request import TraceRequest, TraceRow

NAME = "plain"
RULE = "times in s"
_OUTPUTS = ("output_tokens", "max_tokens", "max_completion_tokens")


def detects(head: Head) -> bool:
    """Any of the three ways to say what is asked."""
    return bool({"prompt", "messages", "input_tokens"} & head.keys) and "custom_id" not in head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in objects(path):
        yield row, request_of(row)


def request_of(row: TraceRow) -> TraceRequest:
    """The request in one object, also in the body of an OpenAI request."""
    fields = row.values
    if not {"prompt", "messages", "input_tokens"} & fields.keys():
        raise row.bad("the fields 'prompt', 'messages' and 'input_tokens' are all missing; give one of them")
    out = next((name for name in _OUTPUTS if fields.get(name) is not None), None)
    tools = fields.get("tools") or fields.get("functions")
    return TraceRequest(
        time_s=row.time_s("time_s") if fields.get("time_s") is not None else None,
        input_tokens=row.tokens("input_tokens") if fields.get("input_tokens") is not None else None,
        output_tokens=row.tokens(out) if out else None,
        prompt=_prompt(row),
        messages=_messages(row),
        session=str(fields.get("session") or ""),
        tools=len(tools) if isinstance(tools, list) else 0,
    )


def _prompt(row: TraceRow) -> str | None:
    prompt = row.values.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise row.bad(f"prompt {str(prompt)[:40]!r} is not text")
    return prompt


def _messages(row: TraceRow) -> tuple[Message, ...] | None:
    messages = row.values.get("messages")
    if messages is None:
        return None
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) and "role" in m for m in messages):
        raise row.bad("messages must be a list of objects with role and content, one or more")
    return tuple(messages)
