"""Chat messages and tools in the forms of Anthropic's Messages and OpenAI's Responses.

Both put the system prompt beside the messages, and name calls of tools and their results in their own way. Reasoning
of earlier answers is left out: Anthropic takes it back only with a signature, and templates drop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import orjson

from paretoken.sessions.graph import Message

Block = dict[str, object]
_SYSTEM = ("system", "developer")


def anthropic_fields(messages: Sequence[Message], tools: Sequence[Message]) -> dict[str, object]:
    """`system`, `messages` and `tools` of a Messages request; neighbours of one role are one message."""
    turns: list[dict[str, object]] = []
    for message in messages:
        if message.get("role") in _SYSTEM:
            continue
        role = "assistant" if message.get("role") == "assistant" else "user"
        blocks = list(_anthropic_blocks(message))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = [*_listed(turns[-1]["content"]), *blocks]
        elif blocks:
            turns.append({"role": role, "content": blocks})
    fields: dict[str, object] = {"messages": [turn | {"content": _plain(_listed(turn["content"]))} for turn in turns]}
    system = _system_text(messages)
    definitions = [_anthropic_tool(_function(tool)) for tool in tools]
    return fields | ({"system": system} if system else {}) | ({"tools": definitions} if tools else {})


def responses_fields(messages: Sequence[Message], tools: Sequence[Message]) -> dict[str, object]:
    """`instructions`, `input` and `tools` of a Responses request."""
    items = [item for message in messages if message.get("role") not in _SYSTEM for item in _items(message)]
    fields: dict[str, object] = {"input": items, "store": False}
    system = _system_text(messages)
    definitions = [{"type": "function", **_function(tool)} for tool in tools]
    return fields | ({"instructions": system} if system else {}) | ({"tools": definitions} if tools else {})


def _anthropic_blocks(message: Message) -> Iterator[Block]:
    if message.get("role") == "tool":
        yield {"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": _text(message)}
        return
    for part in _parts(message):
        if url := _image_url(part):
            yield {"type": "image", "source": _image_source(url)}
        elif part.get("text"):
            yield {"type": "text", "text": part["text"]}
    for call in calls_of(message):
        function = _function(call)
        arguments = _arguments(function.get("arguments"))
        yield {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": arguments}


def _items(message: Message) -> Iterator[Block]:
    if message.get("role") == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message.get("tool_call_id", ""),
            "output": _text(message),
        }
        return
    role = message.get("role")
    parts = [part for part in _parts(message) if part.get("text") or _image_url(part)]
    if any(map(_image_url, parts)):
        yield {"type": "message", "role": role, "content": [_input_part(part) for part in parts]}
    elif parts:
        yield {"type": "message", "role": role, "content": "".join(str(part["text"]) for part in parts)}
    for call in calls_of(message):
        function = _function(call)
        arguments = function.get("arguments") or "{}"
        yield {
            "type": "function_call",
            "call_id": call.get("id", ""),
            "name": function.get("name", ""),
            "arguments": arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode(),
        }


def _input_part(part: Message) -> Block:
    url = _image_url(part)
    return {"type": "input_image", "image_url": url} if url else {"type": "input_text", "text": part["text"]}


def _anthropic_tool(function: Message) -> Block:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    description = {"description": function["description"]} if function.get("description") else {}
    return {"name": function.get("name", ""), **description, "input_schema": schema}


def _system_text(messages: Sequence[Message]) -> str:
    return "\n\n".join(filter(None, (_text(m) for m in messages if m.get("role") in _SYSTEM)))


def _text(message: Message) -> str:
    return "".join(str(part.get("text", "")) for part in _parts(message))


def _parts(message: Message) -> list[Message]:
    """The parts of a content, which may be one text or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list | tuple) else []


def calls_of(message: Message) -> list[Message]:
    """The tool calls of a message."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list | tuple) else []


def _function(document: Message) -> Message:
    """The function of a tool or of a call; the document itself where it is the function."""
    function = document.get("function")
    return function if isinstance(function, Mapping) else document


def _image_url(part: Message) -> str:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    return url if isinstance(url, str) else ""


def _image_source(url: str) -> Block:
    head, _, data = url.partition(";base64,")
    if not (data and head.startswith("data:")):
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": head.removeprefix("data:"), "data": data}


def _arguments(arguments: object) -> object:
    """Arguments as an object, which Anthropic requires; what is no JSON object goes under a name of its own."""
    if isinstance(arguments, Mapping):
        return arguments
    try:
        value = orjson.loads(str(arguments or "{}"))
    except ValueError:
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


def _listed(content: object) -> list[object]:
    return content if isinstance(content, list) else [content]


def _plain(blocks: list[object]) -> object:
    """One text as it is, several blocks as a list."""
    first = blocks[0]
    return first["text"] if len(blocks) == 1 and isinstance(first, dict) and first["type"] == "text" else blocks
