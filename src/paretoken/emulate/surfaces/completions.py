"""OpenAI's completions: the answer continues a text or token ids."""

from __future__ import annotations

import json
from typing import ClassVar

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.fields import Body, flag, texts, whole
from paretoken.emulate.prompt import Piece
from paretoken.emulate.surfaces.surface import Ask, Surface, Tokens, data
from paretoken.emulate.words import AnswerPart


class Completions(Surface):
    """`/v1/completions`."""

    __slots__ = ()
    prefix: ClassVar[str] = "cmpl"
    prompt_field: ClassVar[str] = "prompt"
    default_tokens: ClassVar[int | None] = 16
    kind: ClassVar[str] = "text_completion"
    chunk: ClassVar[str] = "text_completion"
    opens: ClassVar[str] = '"text":"'
    closes: ClassVar[str] = '"'

    @classmethod
    def read(cls, body: Body) -> Ask:
        prompt = _prompt(body.get("prompt"))
        return Ask(
            pieces=[prompt],
            most_tokens=most_tokens(body),
            stops=texts(body, "stop"),
            usage=wants_usage(body),
            echo=prompt if flag(body, "echo") and isinstance(prompt, str) else "",
        )

    def template(self, reason: str | None) -> tuple[bytes, bytes]:
        """The bytes before and behind the text of an event."""
        head = f'data: {json.dumps(self.top(self.chunk))[:-1]}, "choices":[{{"index":0,{self.opens}'
        return head.encode(), f'{self.closes},"logprobs":null,"finish_reason":{json.dumps(reason)}}}]}}\n\n'.encode()

    def around(self) -> tuple[bytes, bytes] | None:
        return self.template(None)

    def opening(self, tokens: Tokens) -> list[bytes]:
        if not self.ask.echo:
            return []
        choice = {"index": 0, "text": self.ask.echo, "logprobs": None, "finish_reason": None}
        return [self.event({"choices": [choice]})]

    def events(self, part: AnswerPart, reason: str | None) -> list[bytes]:
        head, tail = self.template(reason)
        return [head + part.text.encode() + tail]

    def closing(self, reason: str, tokens: Tokens) -> list[bytes]:
        usage = [self.event({"choices": [], "usage": usage_of(tokens)})] if self.ask.usage else []
        return [*usage, data(b"[DONE]")]

    def body(self, reason: str, tokens: Tokens) -> bytes:
        choice: dict[str, object] = {"index": 0, "logprobs": None, "finish_reason": reason, "stop_reason": None}
        top = self.top(self.kind) | {"choices": [choice | self.content(tokens)], "usage": usage_of(tokens)}
        return json.dumps(top).encode()

    def content(self, tokens: Tokens) -> dict[str, object]:
        """The content of the choice of a whole answer."""
        return {"text": self.ask.echo + self.script.text(0, tokens.made)}

    def failure(self, error: ApiError) -> list[bytes]:
        return [data(error.body()), data(b"[DONE]")]

    def top(self, kind: str) -> dict[str, object]:
        return {"id": self.name, "object": kind, "created": self.created, "model": self.model}

    def event(self, more: dict[str, object]) -> bytes:
        return data(json.dumps(self.top(self.chunk) | more).encode())


def most_tokens(body: Body) -> int | None:
    """The limit of an answer; `max_completion_tokens` overrides the older `max_tokens`."""
    return whole(body, "max_completion_tokens" if body.get("max_completion_tokens") else "max_tokens", 1)


def wants_usage(body: Body) -> bool:
    """Whether a stream ends with its usage."""
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise ApiError(400, "stream_options is not an object", "stream_options")
    return flag(options, "include_usage")


def usage_of(tokens: Tokens) -> dict[str, object]:
    """Token counts as the API states them."""
    counts = {"prompt_tokens": tokens.prompt, "total_tokens": tokens.prompt + tokens.made}
    return counts | {
        "completion_tokens": tokens.made,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    }


def _prompt(prompt: object) -> Piece:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, list) and all(isinstance(t, int) and not isinstance(t, bool) for t in prompt):
        tokens: Piece = prompt
    elif isinstance(prompt, str):
        tokens = prompt
    else:
        raise ApiError(400, "prompt must be one text or one list of token ids", "prompt")
    if not tokens:
        raise ApiError(400, "the prompt is empty", "prompt")
    return tokens
