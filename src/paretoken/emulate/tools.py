"""Tools in a request: those that an answer calls, and their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.words import ToolCall
from paretoken.errors import quoted

MOST_PARALLEL = 4
"""Tools that one answer calls at most."""
REQUIRED, AUTO, NONE = "required", "auto", "none"
_EMPTY = {"number": 0, "integer": 0, "boolean": False, "array": [], "object": {}, "null": None, "string": ""}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call: its name and the JSON schema of its arguments."""

    name: str
    parameters: Mapping[str, object]


def called(tools: Sequence[Tool], choice: str, *, parallel: bool, where: str = "tool_choice") -> tuple[Tool, ...]:
    """The tools that an answer calls: none by `auto`, the named one, or the first, with `parallel` up to four.

    `choice` is `none`, `auto`, `required` or the name of a tool.
    """
    if choice in (NONE, AUTO):
        return ()
    if not tools:
        raise ApiError(400, f"{where} is {quoted(choice)}, but the request has no tools", where)
    if choice == REQUIRED:
        return tuple(tools[: MOST_PARALLEL if parallel else 1])
    named = tuple(tool for tool in tools if tool.name == choice)
    if not named:
        raise ApiError(400, f"{where} names {quoted(choice)}, which is not one of the tools of the request", where)
    return named[:1]


def tool_calls(tools: Sequence[Tool], tokens: int) -> tuple[ToolCall, ...]:
    """The tool calls of an answer of `tokens` tokens, which they share evenly; at most one call for each token."""
    tools = tools[:tokens]
    if not tools:
        return ()
    share, rest = divmod(tokens, len(tools))
    return tuple(ToolCall(tool.name, *_around(tool), share + (i < rest)) for i, tool in enumerate(tools))


def _around(tool: Tool) -> tuple[str, str]:
    """The JSON before and after the words of a call: the required arguments, and the words as a text."""
    listed, required = tool.parameters.get("properties"), tool.parameters.get("required")
    properties = listed if isinstance(listed, dict) else {}
    needed = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    free = [name for name in (*needed, *properties) if _is_free_text(properties.get(name, {"type": "string"}))]
    slot = next(iter(free), "text")
    others = {name: _least(properties.get(name)) for name in needed if name != slot}
    front = orjson.dumps(others).decode()[:-1] + ("," if others else "")
    return f'{front}{orjson.dumps(slot).decode()}:"', '"}'


def _is_free_text(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string" and "enum" not in schema


def _least(schema: object) -> object:
    """The simplest value that a schema allows."""
    if not isinstance(schema, dict):
        return ""
    options = schema.get("enum")
    if isinstance(options, list) and options:
        return options[0]
    kind = schema.get("type")
    return _EMPTY.get(kind, "") if isinstance(kind, str) else ""
