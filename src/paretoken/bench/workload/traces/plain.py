"""Plain requests: JSON lines (or a list) of `prompt`, `messages` or `input_tokens`, with `output_tokens`.

`time_s` is the time in seconds and may be left out in all of them; `max_tokens` and `max_completion_tokens` limit the
answer. Data sets for training are read, too: `question` or `instruction` (with `system_prompt`, `input`) is the prompt,
and `response`, `completion`, `answer`, `output` or a last message of the assistant is the recorded answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretoken.bench.workload.bodies import Message
from paretoken.bench.workload.traces.request import TraceRequest
from paretoken.trace_rows import Head, TraceRow, objects

Messages = tuple[Message, ...]
NAME = "plain"
RULE = "times in s"
_OUTPUTS = ("output_tokens", "max_tokens", "max_completion_tokens")
_PROMPTS = ("prompt", "question", "instruction")
_ANSWERS = ("response", "completion", "answer", "output")


def detects(head: Head) -> bool:
    """Any of the ways to say what is asked; a question or an instruction only beside its answer."""
    prompts = {"prompt", "messages", "input_tokens"} & head.keys
    prompts |= set(_PROMPTS) & head.keys if set(_ANSWERS) & head.keys else set()
    return bool(prompts) and "custom_id" not in head.keys


def requests(path: Path) -> Iterator[tuple[TraceRow, TraceRequest]]:
    """Every request in the order of the file."""
    for row in objects(path):
        yield row, request_of(row)


def request_of(row: TraceRow) -> TraceRequest:
    """The request in one object, also in the body of an OpenAI request."""
    fields = row.values
    if not {*_PROMPTS, "messages", "input_tokens"} & fields.keys():
        raise row.bad("the fields 'prompt', 'messages' and 'input_tokens' are all missing; give one of them")
    out = next((name for name in _OUTPUTS if fields.get(name) is not None), None)
    tools = fields.get("tools") or fields.get("functions")
    answers = [fields[name] for name in _ANSWERS if isinstance(fields.get(name), str)]
    messages, answer = _split(_messages(row), str(answers[0]) if answers else None)
    return TraceRequest(
        time_s=row.time_s("time_s") if fields.get("time_s") is not None else None,
        input_tokens=row.tokens("input_tokens") if fields.get("input_tokens") is not None else None,
        output_tokens=row.tokens(out) if out else None,
        output_is_limit=out is not None and out != "output_tokens",
        prompt=None if messages else _prompt(row),
        messages=messages,
        answer=answer,
        session=str(fields.get("session") or ""),
        tools=len(tools) if isinstance(tools, list) else 0,
    )


def _split(messages: Messages | None, answer: str | None) -> tuple[Messages | None, str | None]:
    """The messages to send, and the answer: a last message of the assistant is one."""
    if not messages or len(messages) < 2 or messages[-1].get("role") != "assistant":
        return messages, answer
    content = messages[-1].get("content")
    return messages[:-1], content if isinstance(content, str) else answer


def _prompt(row: TraceRow) -> str | None:
    """The prompt, with what an instruction is about below it."""
    name = next((name for name in _PROMPTS if row.values.get(name) is not None), None)
    if name is None or name == "prompt":
        return _text(row, "prompt")
    parts = _text(row, "system_prompt"), _text(row, name), _text(row, "input") if name == "instruction" else None
    return "\n\n".join(filter(None, parts))


def _text(row: TraceRow, name: str) -> str | None:
    """The field, which must be text where it is there."""
    if row.values.get(name) is None:
        return None
    value = row.values[name]
    if not isinstance(value, str):
        raise row.bad(f"{name} {str(value)[:40]!r} is not text")
    return value


def _messages(row: TraceRow) -> Messages | None:
    messages = row.values.get("messages")
    if messages is None:
        return None
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) and "role" in m for m in messages):
        raise row.bad("messages must be a list of objects with role and content, one or more")
    return tuple(messages)
