"""Messages of OpenTelemetry's conventions as messages of the chat form.

A message has a role and `parts`: `text`, `reasoning`, `tool_call`, `tool_call_response` and others (`gen-ai-input-
messages.json` of the semantic conventions 1.41). Reasoning is left out, as chat forms do not send it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from paretoken.errors import quoted
from paretoken.sessions.fields import message_of
from paretoken.sessions.forms.otlp import structured
from paretoken.sessions.graph import Message
from paretoken.trace_rows import TraceRow


def prompt_of(row: TraceRow) -> tuple[Message, ...]:
    """The system instructions and the messages of a prompt, none where they were not recorded."""
    messages = [m for value in _listed(row, "gen_ai.input.messages") for m in _messages(row, value)]
    system = "\n".join(_text(row, part) for part in _listed(row, "gen_ai.system_instructions"))
    return ({"role": "system", "content": system}, *messages) if system and messages else tuple(messages)


def answer_of(row: TraceRow) -> Message | None:
    """The first answer, None where it was not recorded."""
    values = _listed(row, "gen_ai.output.messages")
    messages = _messages(row, values[0]) if values else []
    return messages[0] if messages else None


def definitions_of(row: TraceRow) -> tuple[Message, ...]:
    """Definitions of tools in the chat form."""
    tools = []
    for value in _listed(row, "gen_ai.tool.definitions"):
        if not isinstance(value, dict):
            raise row.bad(f"the tool definition {quoted(value)} is not an object")
        flat = value.get("type") == "function" and "function" not in value
        function = {k: v for k, v in value.items() if k != "type" and v is not None}
        tools.append({"type": "function", "function": function} if flat else value)
    return tuple(tools)


def _listed(row: TraceRow, name: str) -> Sequence[object]:
    value = structured(row, name, row.values.get(name)) if row.values.get(name) is not None else []
    if not isinstance(value, list):
        raise row.bad(f"{name} is {quoted(value)}, not a list")
    return value


def _messages(row: TraceRow, value: object) -> list[Message]:
    """A message; results of tools are one message each."""
    parts = message_of(row, value).get("parts") if isinstance(value, dict) and "parts" in value else None
    if parts is None:
        return [message_of(row, value)]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise row.bad("the parts of a message must be a list of objects")
    role = message_of(row, value)["role"]
    results = [_result(part) for part in parts if part.get("type") == "tool_call_response"]
    calls = [_tool_call(part) for part in parts if part.get("type") == "tool_call"]
    texts = [_text(row, part) for part in parts if part.get("type") == "text"]
    message: dict[str, object] = {"role": role, "content": "\n".join(texts)}
    if calls:
        message["tool_calls"] = calls
    return [*results, message] if texts or calls or not results else list(results)


def _text(row: TraceRow, part: object) -> str:
    content = part.get("content") if isinstance(part, dict) else part
    if not isinstance(content, str):
        raise row.bad(f"a text part holds {quoted(content)}, not text")
    return content


def _tool_call(part: Mapping[str, object]) -> Message:
    function = {"name": str(part.get("name") or ""), "arguments": _written(part.get("arguments"))}
    return {"id": str(part.get("id") or ""), "type": "function", "function": function}


def _result(part: Mapping[str, object]) -> Message:
    content = part.get("response", part.get("result"))
    return {"role": "tool", "tool_call_id": str(part.get("id") or ""), "content": _written(content)}


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
