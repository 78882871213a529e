"""Anthropic's Messages, as https://docs.anthropic.com/en/api/messages and …/messages-streaming describe them."""

from __future__ import annotations

import json
from typing import ClassVar

import orjson

from paretoken.emulate.api_errors import ApiError, MessagesError
from paretoken.emulate.fields import Body, flag, objects, text, texts, whole
from paretoken.emulate.prompt import Message, pieces_of
from paretoken.emulate.surfaces.chat import content_parts, preamble, tool_of
from paretoken.emulate.surfaces.surface import Ask, Surface, Tokens, named
from paretoken.emulate.tools import AUTO, NONE, REQUIRED, called
from paretoken.emulate.words import AnswerPart
from paretoken.errors import quoted

REASONS = {"length": "max_tokens", "stop": "end_turn", "tool_calls": "tool_use"}
CHOICES = {"auto": AUTO, "any": REQUIRED, "none": NONE}


class Messages(Surface):
    """`/v1/messages`."""

    __slots__ = ()
    prefix: ClassVar[str] = "msg"
    error: ClassVar[type[ApiError]] = MessagesError

    @classmethod
    def read(cls, body: Body) -> Ask:
        messages = objects(body, "messages")
        if not messages:
            raise ApiError(400, "messages must be a list of one message or more", "messages")
        most = whole(body, "max_tokens", 1)
        if most is None:
            raise ApiError(400, "max_tokens is missing: this API needs it", "max_tokens")
        system, _ = content_parts(body.get("system"), "system")
        listed = objects(body, "tools")
        tools = tuple(tool_of(tool, "input_schema") for tool in listed)
        choice, parallel = _choice(body.get("tool_choice"))
        return Ask(
            pieces=list(pieces_of([*preamble(listed, system), *(_message(m) for m in messages)])),
            most_tokens=most,
            stops=texts(body, "stop_sequences"),
            tools=called(tools, choice, parallel=parallel),
        )

    def around(self) -> tuple[bytes, bytes] | None:
        head, tail = self._delta(0, {"type": "text_delta", "text": "\0"}).split(b"\\u0000")
        return head, tail

    def opening(self, tokens: Tokens) -> list[bytes]:
        message = self._message([], None, Tokens(tokens.prompt, tokens.cached, 1))
        opened = [_event("message_start", message=message)]
        return opened if self.script.calls else [*opened, self._block(0, {"type": "text", "text": ""})]

    def events(self, part: AnswerPart, reason: str | None) -> list[bytes]:
        if part.call < 0:
            return [self._delta(0, {"type": "text_delta", "text": part.text})]
        events = []
        if part.begins:
            block = {"type": "tool_use", "id": self.call_id(part.call), "name": self.script.calls[part.call].name}
            events.append(self._block(part.call, block | {"input": {}}))
        events.append(self._delta(part.call, {"type": "input_json_delta", "partial_json": part.text}))
        return [*events, _event("content_block_stop", index=part.call)] if part.ends else events

    def closing(self, reason: str, tokens: Tokens) -> list[bytes]:
        stopped = [] if self.script.calls else [_event("content_block_stop", index=0)]
        delta = {"stop_reason": REASONS.get(reason, reason), "stop_sequence": None}
        ended = _event("message_delta", delta=delta, usage={"output_tokens": tokens.made})
        return [*stopped, ended, _event("message_stop")]

    def body(self, reason: str, tokens: Tokens) -> bytes:
        if not self.script.calls:
            content: list[dict[str, object]] = [{"type": "text", "text": self.script.text(0, tokens.made)}]
        else:
            content = [
                {
                    "type": "tool_use",
                    "id": self.call_id(part.call),
                    "name": self.script.calls[part.call].name,
                    "input": orjson.loads(part.text) if part.ends else {},
                }
                for part in self.script.parts(0, tokens.made)
            ]
        return json.dumps(self._message(content, REASONS.get(reason, reason), tokens)).encode()

    def failure(self, error: ApiError) -> list[bytes]:
        return [named("error", MessagesError(error.status, str(error)).body())]

    def _message(self, content: list[dict[str, object]], reason: str | None, tokens: Tokens) -> dict[str, object]:
        usage = {"input_tokens": tokens.prompt - tokens.cached, "cache_creation_input_tokens": 0}
        usage |= {"cache_read_input_tokens": tokens.cached, "output_tokens": tokens.made}
        top = {"id": self.name, "type": "message", "role": "assistant", "content": content, "model": self.model}
        return top | {"stop_reason": reason, "stop_sequence": None, "usage": usage}

    def _block(self, index: int, block: dict[str, object]) -> bytes:
        return _event("content_block_start", index=index, content_block=block)

    def _delta(self, index: int, delta: dict[str, object]) -> bytes:
        return _event("content_block_delta", index=index, delta=delta)

    def call_id(self, call: int) -> str:
        return self.part_id("toolu", call)


def _event(kind: str, **more: object) -> bytes:
    return named(kind, json.dumps({"type": kind} | more).encode())


def _choice(choice: object) -> tuple[str, bool]:
    """The tool to call, as `tools.called` wants it, and whether several may be."""
    if choice is None:
        return AUTO, False
    if not isinstance(choice, dict):
        raise ApiError(400, f"tool_choice is {quoted(choice)}: it must be an object with a type", "tool_choice")
    # Several tools at once only where the request says so, as for the other APIs.
    several = choice.get("disable_parallel_tool_use") is False
    flag(choice, "disable_parallel_tool_use")
    kind = choice.get("type")
    if kind == "tool":
        return text(choice, "name", "tool_choice"), False
    if kind not in CHOICES:
        raise ApiError(400, f"tool_choice has type {quoted(kind)}: auto, any, none or tool", "tool_choice")
    return CHOICES[str(kind)], several


def _message(message: Body) -> Message:
    """A message of any blocks: text, images, tools used and their results."""
    if message.get("role") not in ("user", "assistant"):
        raise ApiError(400, f"a message has role {quoted(message.get('role'))}: user or assistant", "messages")
    role, content = str(message["role"]), message.get("content")
    if not isinstance(content, list):
        return Message(role, content_parts(content)[0])
    plain, calls, results = [], [], []
    for block in objects(message, "content"):
        if block.get("type") == "tool_use":
            calls.append((text(block, "name", "a tool_use"), orjson.dumps(block.get("input") or {}).decode()))
        elif block.get("type") == "tool_result":
            results.append(content_parts(block.get("content"))[0])
        elif block.get("type") == "thinking":
            results.append(str(block.get("thinking") or ""))
        else:
            plain.append(block)
    content_text, images = content_parts(plain)
    return Message(role, "".join([*results, content_text]), tuple(calls), images)
