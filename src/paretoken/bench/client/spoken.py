"""The assistant's message that an answer contains, put together from its documents in the form of chat messages.

It takes the chunks and whole answers of completions, chat, Anthropic's Messages and OpenAI's Responses. Of several
choices it takes the first. Whatever has an unexpected shape adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from paretoken.bench.client.answer_json import Json

_REASONING = ("reasoning_content", "reasoning", "thinking")
_ANSWERS = ("text", "output_text", "refusal")
_THOUGHTS = ("thinking", "reasoning", "reasoning_text", "summary_text")


@dataclass(slots=True)
class _ToolCall:
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)  # of the arguments, which are JSON

    def as_message(self, number: int) -> Json:
        function = {"name": self.name, "arguments": "".join(self.pieces) or "{}"}
        return {"id": self.id or f"call_{number}", "type": "function", "function": function}


class SpokenMessage:
    """Takes the documents of one answer in their order; `message` is what they say together."""

    __slots__ = ("_calls", "_content", "_in_messages", "_reasoning")

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[object, _ToolCall] = {}  # by index or, without one, by id
        self._in_messages = False  # chunks hold `message`, not `delta`

    @property
    def message(self) -> Json:
        """`role`, `content` and, where there are any, `reasoning_content` and `tool_calls`."""
        content, reasoning = "".join(self._content), "".join(self._reasoning)
        message: Json = {"role": "assistant", "content": content or (None if self._calls else "")}
        if reasoning:
            message["reasoning_content"] = reasoning
        if self._calls:
            message["tool_calls"] = [call.as_message(n) for n, call in enumerate(self._calls.values())]
        return message

    def take(self, document: Json) -> None:
        """Take one event of a stream, or an answer in one piece."""
        choices, kind = document.get("choices"), document.get("type")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) and not choice.get("index"):
                    self._choice(choice)
        elif isinstance(kind, str) and kind.startswith("response."):
            self._response_event(kind, document)
        elif document.get("object") == "response":
            self._output(document)
        elif kind == "message":
            self._parts(document.get("content"))
        elif kind == "content_block_start":
            self._block(_object(document, "content_block"), document.get("index"))
        elif kind == "content_block_delta":
            self._block_delta(_object(document, "delta"), document.get("index"))

    @property
    def _begun(self) -> bool:
        return bool(self._content or self._reasoning or self._calls)

    def _choice(self, choice: Json) -> None:
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict):
            self._delta(delta)
        elif not isinstance(message, dict):
            self._content.append(_text(choice.get("text")))
        elif self._in_messages or not self._begun:  # else the whole answer once more, at its end
            self._in_messages = True
            self._delta(message)

    def _delta(self, delta: Json) -> None:
        for name in _REASONING:
            if text := _text(delta.get(name)):
                self._reasoning.append(text)
                break
        content = delta.get("content")
        if isinstance(content, list):
            self._parts(content)
        else:
            self._content.append(_text(content))
        self._content.append(_text(delta.get("refusal")))
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._call_delta(call)
        if old := _object(delta, "function_call"):
            self._call_delta({"index": 0, "function": old})

    def _call_delta(self, delta: Json) -> None:
        index, id_ = delta.get("index"), _text(delta.get("id"))
        function = _object(delta, "function") or _object(delta, "custom")
        latest = next(reversed(self._calls), None)
        key = index if type(index) is int else id_ or (object() if latest is None or "name" in function else latest)
        call = self._calls.setdefault(key, _ToolCall())
        call.id, call.name = call.id or id_, call.name or _text(function.get("name"))
        call.pieces.append(_arguments(function.get("arguments") or function.get("input")))

    def _parts(self, parts: object) -> None:
        """The content of a whole message, or a list of parts in a delta."""
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            if isinstance(part, dict):
                self._block(part, index)

    def _block(self, block: Json, index: object) -> None:
        """A block of Anthropic's content, or a part of a message."""
        kind = block.get("type")
        if kind == "tool_use":
            name, arguments = _text(block.get("name")), _arguments(block.get("input"))
            self._calls[_key(index)] = _ToolCall(_text(block.get("id")), name, [arguments])
        elif kind in _THOUGHTS:
            self._reasoning.append(_text(block.get("thinking")) or _text(block.get("text")))
        elif kind in _ANSWERS:
            self._content.append(_text(block.get("text")) or _text(block.get("refusal")))

    def _block_delta(self, delta: Json, index: object) -> None:
        self._content.append(_text(delta.get("text")))
        self._reasoning.append(_text(delta.get("thinking")))
        if (piece := _text(delta.get("partial_json"))) and _key(index) in self._calls:
            self._calls[_key(index)].pieces.append(piece)

    def _response_event(self, kind: str, event: Json) -> None:
        text, item = _text(event.get("delta")), _object(event, "item")
        # llama.cpp gives its items no index, and others give them an id per event; one of the two is stable.
        index = event.get("output_index", event.get("item_id", item.get("id")))
        index = index if isinstance(index, int | str) else 0
        if kind == "response.output_item.added":
            self._item(item, index)
        elif kind == "response.output_item.done" and item.get("type") == "function_call":
            if index not in self._calls or not self._calls[index].pieces:
                self._item(item, index)
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            self._content.append(text)
        elif kind.startswith("response.reasoning") and kind.endswith(".delta"):
            self._reasoning.append(text)
        elif text and kind == "response.function_call_arguments.delta" and index in self._calls:
            self._calls[index].pieces.append(text)
        elif kind in ("response.completed", "response.incomplete") and not self._begun:
            self._output(_object(event, "response"))

    def _output(self, response: Json) -> None:
        """The items of a whole response."""
        items = response.get("output")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                self._item(item, index)

    def _item(self, item: Json, index: object) -> None:
        if item.get("type") == "function_call":
            id_ = _text(item.get("call_id")) or _text(item.get("id"))
            arguments = _text(item.get("arguments"))
            self._calls[index] = _ToolCall(id_, _text(item.get("name")), [arguments] if arguments else [])
        else:
            self._parts(item.get("content"))
            self._parts(item.get("summary"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _key(index: object) -> object:
    """An index as the key of a tool call."""
    return index if type(index) is int else 0


def _arguments(value: object) -> str:
    """Arguments as JSON: as text, or as the object that some servers send; empty for none."""
    return value if isinstance(value, str) else orjson.dumps(value).decode() if value else ""
