"""OpenAI's chat completions: the answer is a message of the assistant, or tool calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import orjson

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.fields import Body, flag, objects, text, texts
from paretoken.emulate.prompt import Message, pieces_of
from paretoken.emulate.surfaces.completions import Completions, most_tokens, wants_usage
from paretoken.emulate.surfaces.surface import Ask, Tokens
from paretoken.emulate.tools import AUTO, NONE, REQUIRED, Tool, called
from paretoken.emulate.words import AnswerPart
from paretoken.errors import quoted

TOOLS_ROLE = "tools"
"""Role of the definitions of tools, which come before all messages."""


class Chat(Completions):
    """`/v1/chat/completions`."""

    __slots__ = ()
    prefix: ClassVar[str] = "chatcmpl"
    prompt_field: ClassVar[str] = "messages"
    default_tokens: ClassVar[int | None] = None
    kind: ClassVar[str] = "chat.completion"
    chunk: ClassVar[str] = "chat.completion.chunk"
    opens: ClassVar[str] = '"delta":{"content":"'
    closes: ClassVar[str] = '"}'

    @classmethod
    def read(cls, body: Body) -> Ask:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise ApiError(400, "messages must be a list of one message or more", "messages")
        listed = objects(body, "tools")
        tools = tuple(_tool(tool) for tool in listed)
        return Ask(
            pieces=list(pieces_of([*preamble(listed), *(_message(m) for m in messages)])),
            most_tokens=most_tokens(body),
            stops=texts(body, "stop"),
            tools=called(tools, tool_choice(body), parallel=flag(body, "parallel_tool_calls")),
            usage=wants_usage(body),
        )

    def opening(self, tokens: Tokens) -> list[bytes]:
        return [self._delta({"role": "assistant", "content": None if self.script.calls else ""}, None)]

    def events(self, part: AnswerPart, reason: str | None) -> list[bytes]:
        if part.call < 0:
            return super().events(part, reason)
        events = []
        if part.begins:
            call = {"index": part.call} | self._call(part.call, "")
            events.append(self._delta({"tool_calls": [call]}, None))
        call = {"index": part.call, "function": {"arguments": part.text}}
        events.append(self._delta({"tool_calls": [call]}, None))
        return [*events, self._delta({}, reason)] if reason else events

    def content(self, tokens: Tokens) -> dict[str, object]:
        if not self.script.calls:
            return {"message": {"role": "assistant", "content": self.script.text(0, tokens.made)}}
        calls = [self._call(part.call, part.text) for part in self.script.parts(0, tokens.made)]
        return {"message": {"role": "assistant", "content": None, "tool_calls": calls}}

    def _call(self, call: int, arguments: str) -> dict[str, object]:
        function = {"name": self.script.calls[call].name, "arguments": arguments}
        return {"id": self.call_id(call), "type": "function", "function": function}

    def _delta(self, delta: dict[str, object], reason: str | None) -> bytes:
        return self.event({"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})


def preamble(tools: list[Body], system: str = "") -> Iterator[Message]:
    """The messages before a chat: the definitions of its tools and its system prompt, if there are any."""
    if tools:
        yield Message(TOOLS_ROLE, orjson.dumps(tools, option=orjson.OPT_SORT_KEYS).decode())
    if system:
        yield Message("system", system)


def tool_of(function: Body, schema: str) -> Tool:
    """The tool of a definition; the field `schema` describes its arguments."""
    parameters = function.get(schema) or {}
    if not isinstance(parameters, dict):
        raise ApiError(400, f"{schema} of a tool must be a JSON schema", "tools")
    return Tool(text(function, "name", "a tool"), parameters)


def content_parts(content: object, where: str = "messages") -> tuple[str, tuple[str, ...]]:
    """The text of a message's content, and its images, each by its JSON."""
    if content is None or isinstance(content, str):
        return content or "", ()
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ApiError(400, "a message's content must be a text or a list of parts", where)
    passages, images = [], []
    for part in content:
        if isinstance(part.get("text"), str):
            passages.append(part["text"])
        elif "image" in str(part.get("type")):
            images.append(orjson.dumps(part).decode())
        else:
            kind = quoted(part.get("type"))
            raise ApiError(400, f"a message's content must be texts and images; a part is of type {kind}", where)
    return "".join(passages), tuple(images)


def _message(message: Body) -> Message:
    if not isinstance(message.get("role"), str):
        raise ApiError(400, "a message has no role", "messages")
    content, images = content_parts(message.get("content"))
    calls = []
    for call in objects(message, "tool_calls"):
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
            raise ApiError(400, "a tool call has no function with arguments", "messages")
        calls.append((text(function, "name", "a tool call"), function["arguments"]))
    return Message(str(message["role"]), content, tuple(calls), images)


def _tool(tool: Body) -> Tool:
    function = tool.get("function")
    if not isinstance(function, dict):
        raise ApiError(400, "a tool has no function", "tools")
    return tool_of(function, "parameters")


def tool_choice(body: Body) -> str:
    """`none`, `auto`, `required`, or the name of a tool: in an object, with `function` around it or without."""
    choice = body.get("tool_choice")
    if choice is None:
        return AUTO
    if isinstance(choice, str) and choice in (NONE, AUTO, REQUIRED):
        return choice
    function = choice.get("function", choice) if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return str(function["name"])
    raise ApiError(
        400, f"tool_choice is {quoted(choice)}: none, auto, required or a function by its name", "tool_choice"
    )
