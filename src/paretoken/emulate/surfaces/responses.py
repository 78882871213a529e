"""OpenAI's Responses, as https://platform.openai.com/docs/api-reference/responses-streaming describes its events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.fields import Body, flag, objects, text, whole
from paretoken.emulate.prompt import ASSISTANT, Message, pieces_of
from paretoken.emulate.surfaces.chat import content_parts, preamble, tool_choice, tool_of
from paretoken.emulate.surfaces.surface import Ask, Surface, Tokens, named
from paretoken.emulate.tools import called
from paretoken.emulate.words import AnswerPart
from paretoken.errors import quoted

Item = dict[str, object]


@dataclass(slots=True)
class Responses(Surface):
    """`/v1/responses`. Every event has a number."""

    number: int = field(default=0, init=False)
    so_far: str = field(default="", init=False)
    """The text of the open item so far."""
    done: list[Item] = field(default_factory=list, init=False)
    prefix: ClassVar[str] = "resp"
    prompt_field: ClassVar[str] = "input"
    limit_field: ClassVar[str] = "max_output_tokens"

    @classmethod
    def read(cls, body: Body) -> Ask:
        if body.get("previous_response_id"):
            raise ApiError(
                400,
                "previous_response_id is not supported: responses are not stored; send all items",
                "previous_response_id",
            )
        prompt = body.get("input")
        message: list[Body] = [{"role": "user", "content": prompt}]
        items = message if isinstance(prompt, str) and prompt else objects(body, "input")
        if not items:
            raise ApiError(400, "input must be a text or a list of items", "input")
        instructions, _ = content_parts(body.get("instructions"), "instructions")
        listed = objects(body, "tools")
        tools = tuple(tool_of(tool, "parameters") for tool in listed)
        return Ask(
            pieces=list(pieces_of([*preamble(listed, instructions), *_messages(items)])),
            most_tokens=whole(body, "max_output_tokens", 1),
            tools=called(tools, tool_choice(body), parallel=flag(body, "parallel_tool_calls")),
        )

    def opening(self, tokens: Tokens) -> list[bytes]:
        begun = self._response("in_progress", None)
        opened = [self._event(f"response.{kind}", response=begun) for kind in ("created", "in_progress")]
        return opened if self.script.calls else [*opened, *self._open_text()]

    def events(self, part: AnswerPart, reason: str | None) -> list[bytes]:
        events = self._open_call(part.call) if part.begins else []
        self.so_far += part.text
        if part.call < 0:
            where = {"item_id": self._item_id(0), "output_index": 0, "content_index": 0, "logprobs": []}
            return [*events, self._event("response.output_text.delta", **where, delta=part.text)]
        where = {"item_id": self._item_id(part.call), "output_index": part.call}
        events.append(self._event("response.function_call_arguments.delta", **where, delta=part.text))
        if part.ends:
            events.append(self._event("response.function_call_arguments.done", **where, arguments=self.so_far))
            events += self._close(self._call(part.call, self.so_far, "completed"))
        return events

    def closing(self, reason: str, tokens: Tokens) -> list[bytes]:
        events = []
        if not self.script.calls:
            where = {"item_id": self._item_id(0), "output_index": 0, "content_index": 0}
            events.append(self._event("response.output_text.done", **where, text=self.so_far, logprobs=[]))
            events.append(self._event("response.content_part.done", **where, part=_text_part(self.so_far)))
            events += self._close(self._message(self.so_far, "completed"))
        ended = "incomplete" if reason == "length" else "completed"
        return [*events, self._event(f"response.{ended}", response=self._response(ended, tokens))]

    def body(self, reason: str, tokens: Tokens) -> bytes:
        parts = self.script.parts(0, tokens.made)
        self.done = [
            self._call(p.call, p.text, "completed") if self.script.calls else self._message(p.text, "completed")
            for p in parts
        ]
        return json.dumps(self._response("incomplete" if reason == "length" else "completed", tokens)).encode()

    def failure(self, error: ApiError) -> list[bytes]:
        failed = self._response("failed", None) | {"error": {"code": "server_error", "message": str(error)}}
        return [self._event("response.failed", response=failed)]

    def _response(self, status: str, tokens: Tokens | None) -> Item:
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        top: Item = {"id": self.name, "object": "response", "created_at": self.created, "status": status}
        top |= {"model": self.model, "error": None, "incomplete_details": cut, "output": list(self.done)}
        return top | {"usage": _usage(tokens) if tokens else None}

    def _open_text(self) -> list[bytes]:
        item = self._message(None, "in_progress")
        where = {"item_id": self._item_id(0), "output_index": 0, "content_index": 0}
        return [
            self._event("response.output_item.added", output_index=0, item=item),
            self._event("response.content_part.added", **where, part=_text_part("")),
        ]

    def _open_call(self, call: int) -> list[bytes]:
        self.so_far = ""
        item = self._call(call, "", "in_progress")
        return [self._event("response.output_item.added", output_index=call, item=item)]

    def _close(self, item: Item) -> list[bytes]:
        self.done.append(item)
        return [self._event("response.output_item.done", output_index=len(self.done) - 1, item=item)]

    def _message(self, answer: str | None, status: str) -> Item:
        content = [] if answer is None else [_text_part(answer)]
        item: Item = {"id": self._item_id(0), "type": "message", "status": status}
        return item | {"role": ASSISTANT, "content": content}

    def _call(self, call: int, arguments: str, status: str) -> Item:
        name = self.script.calls[call].name
        item: Item = {"id": self._item_id(call), "type": "function_call", "status": status}
        return item | {"call_id": self.call_id(call), "name": name, "arguments": arguments}

    def _item_id(self, index: int) -> str:
        return self.part_id("fc" if self.script.calls else "msg", index)

    def _event(self, kind: str, **more: object) -> bytes:
        payload = {"type": kind, "sequence_number": self.number} | more
        self.number += 1
        return named(kind, json.dumps(payload).encode())


def _text_part(answer: str) -> Item:
    return {"type": "output_text", "text": answer, "annotations": [], "logprobs": []}


def _usage(tokens: Tokens) -> Item:
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens.prompt + tokens.made,
    }


def _messages(items: list[Body]) -> list[Message]:
    """The items of an input as messages; calls of tools in a row are one message of the assistant."""
    messages: list[Message] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call":
            call = (text(item, "name", "a function_call"), text(item, "arguments", "a function_call"))
            before = messages[-1] if messages and messages[-1].calls else Message(ASSISTANT)
            messages = [*(messages[:-1] if before.calls else messages), Message(ASSISTANT, "", (*before.calls, call))]
        elif kind == "function_call_output":
            messages.append(Message("tool", content_parts(item.get("output"), "input")[0]))
        elif kind == "message" and isinstance(item.get("role"), str):
            content, images = content_parts(item.get("content"), "input")
            messages.append(Message(str(item["role"]), content, (), images))
        elif kind != "reasoning":
            raise ApiError(400, f"an item of the input has the unsupported type {quoted(kind)}", "input")
    return messages
