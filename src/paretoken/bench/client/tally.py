"""What the answers of inference servers say: the tokens of each event, how the answer ended."""

from __future__ import annotations

import re
from dataclasses import replace

import orjson

from paretoken.bench.client.alike import around_text, around_value
from paretoken.bench.client.answer_json import (
    InBandError,
    Json,
    broken_off,
    finish_reason,
    has_reasoning,
    inner,
    is_error,
    json_object,
    objects,
    weigh,
)
from paretoken.bench.client.http1 import MalformedError, excerpt
from paretoken.bench.client.sse import BOM, DONE
from paretoken.bench.client.stated import StatedTokens
from paretoken.bench.client.typed_events import TypedEvent, typed_answer, typed_event
from paretoken.bench.client.usage import UNKNOWN
from paretoken.foreign_text import error_text

PINGS = (b"ping", b"pong", b"heartbeat", b"keepalive", b"keep-alive", b"null", b"[]", b"")
"""Data without a JSON object that keeps a connection alive."""
WORDS = re.compile(rb"[a-z][^{}\[\]<>\"]{0,99}")
"""Data without JSON that reports the progress of a request before its first token."""
ERRORS = (
    *(b"error", b"exception", b"internal", b"fail", b"service unavailable", b"server error", b"bad gateway"),
    *(b"gateway time", b"timeout", b"timed out", b"too many", b"unauthorized", b"forbidden", b"overloaded"),
)
"""First words of data without JSON that reports an error."""
MOST_NESTED = 200_000
"""Most objects and lists in an answer in one piece: each takes far more memory than its bytes."""

MOST_UNLIKE = 8
"""Events of Messages or Responses that turned out unlike the one before, as those that are numbered always do."""


class Tally(StatedTokens):
    """Counts of one answer, fed one JSON document at a time with the time of its arrival."""

    __slots__ = ("done", "finish_reason", "unknown_event", "vectors")

    def __init__(self, planned: int = UNKNOWN) -> None:
        super().__init__(planned)
        self.finish_reason = ""
        self.done = False
        self.vectors = 0  # embeddings in the answer, which has no tokens
        self.unknown_event = b""  # the first that says nothing known

    def event(self, payload: bytes, stamp_ns: int) -> bool:
        """Take one event of a stream; whether it carried tokens. Raises MalformedError, InBandError."""
        if payload == DONE or self.done:
            self._after_end(payload)
            return False
        try:
            event = orjson.loads(payload)
        except ValueError:
            event = None
        if type(event) is not dict:
            self._not_an_object(payload)
            return False
        choices = event.get("choices")
        if not choices or event.get("error"):
            return self._without_choices(event, payload, stamp_ns)
        tokens = size = 0
        if type(choices) is not list or type(choices[0]) is not dict or len(choices) > 1:
            objects(choices, "choices")
        for choice in choices:
            if choice.get("finish_reason"):
                self.finish_reason = finish_reason(choice)
            delta = choice.get("delta")
            if type(delta) is not dict:
                delta = self._without_delta(choice)
            n, chars = weigh(choice, delta)
            if n:
                tokens += n
                size += chars
                if not self._reasoning and (not self.tokens or not delta.get("content")):
                    self._reasoning = has_reasoning(delta)
                if not self._evident and (choice.get("token_ids") or choice.get("logprobs")):
                    self._evident = True
            elif choice.get("error") or delta.get("error"):
                raise InBandError(error_text(choice if choice.get("error") else delta))
        usage = event.get("usage")
        output = usage.get("completion_tokens") if type(usage) is dict else None
        if (
            type(output) is int
            and 0 < output <= self._most
            and (self._unread is None or len(self._unread["usage"]) <= len(usage or ()))
        ):
            self._unread = event
        else:
            output = self._usage(event)
        if tokens and self._continuous and output > self._usage_tokens:  # most of a stream with usage in every chunk
            self._texts += 1
            tokens, self._usage_tokens = output - self._usage_tokens, output
            if output < self._texts:
                self._doubted = True
            self._add(stamp_ns, tokens, size)
        elif self._continuous is not False and (tokens or output > 0):
            tokens = self._by_usage(event, tokens, size, output, stamp_ns)
        elif tokens:
            self._add(stamp_ns, tokens, size)
        if output >= 0:
            self._usage_at = len(self.chunk_ns)
        elif tokens == 1 and self._continuous is False and not self.prefix and not self.finish_reason:
            self.prefix, self.suffix = around_text(payload, choices)
        return tokens > 0

    def whole(self, body: bytes, stamp_ns: int) -> None:
        """Take an answer that came in one piece: one arrival that carries every token."""
        if body.count(b"{") + body.count(b"[") > MOST_NESTED:
            raise MalformedError(f"more than {MOST_NESTED:,} objects and lists in an answer in one piece")
        answer = json_object(body.removeprefix(BOM))
        choices = objects(answer.get("choices"), "choices")
        if answer.get("error") or (not choices and is_error(answer)):
            raise InBandError(error_text(answer))
        self.in_one_piece = self.done = True
        if not choices and (typed := typed_answer(answer)) is not None:
            self._typed_whole(typed, stamp_ns)
            return
        if not choices:
            self.vectors = _vectors(answer.get("data"))
        tokens = size = 0
        for choice in choices:
            self.finish_reason = finish_reason(choice) or self.finish_reason
            n, chars = weigh(choice, inner(choice, "message") or choice)
            tokens += n
            size += chars
        self._usage(answer)
        self._usage_at = 1
        total, reasoning = self.usage.output, self.usage.reasoning
        if choices and total > 0 and (tokens or reasoning < total):
            tokens = total
        if tokens or self.vectors:
            self._add(stamp_ns, tokens, size)
        elif not choices:
            self.unknown_event = body

    def _typed_whole(self, answer: TypedEvent, stamp_ns: int) -> None:
        """Take a whole answer of Messages or Responses."""
        self._typed(answer, stamp_ns)
        self._usage_at = 1
        if self.chunk_ns and self.usage.output > 0:
            self.tokens = self.chunk_tokens[0] = self.usage.output

    @property
    def ended(self) -> bool:
        """Whether the answer came to its end: by a finish reason, the end mark, or a usage after its last text."""
        return bool(self.finish_reason) or self.done or (self._closed and self._usage_at >= len(self.chunk_ns))

    @property
    def broken_off(self) -> bool:
        """Whether the server says that it did not finish the answer."""
        return broken_off(self.finish_reason)

    @property
    def nothing(self) -> str:
        """Why the answer contains no tokens, in words."""
        words = "the answer contains no tokens"
        if self.finish_reason:
            words += f": finish_reason {self.finish_reason!r}"
        if self.usage.reasoning > 0:
            words += f", {self.usage.reasoning} reasoning tokens that were not sent"
        return f"{words}; it begins {excerpt(self.unknown_event)}" if self.unknown_event else words

    def _not_an_object(self, payload: bytes) -> None:
        """Take an event without a JSON object: an end mark, words that keep the connection alive, or an error."""
        word = payload.strip().strip(b'"').lower()
        if word == DONE.lower():
            self._after_end(payload)
        elif word.lstrip(b'["').startswith(ERRORS):
            raise InBandError(payload.decode("utf-8", "replace"))
        elif word not in PINGS and (self.tokens or not WORDS.fullmatch(word)):
            json_object(payload)
        elif word not in PINGS and not self.unknown_event:
            self.unknown_event = payload

    def _after_end(self, payload: bytes) -> None:
        """The end mark, or what comes after it: nothing but a late usage counts."""
        if not self.done:
            self.done, self.prefix = True, b""
            return
        try:
            event = json_object(payload)
        except (MalformedError, InBandError):
            return
        if self._usage(event) >= 0:
            self._usage_at = len(self.chunk_ns)

    def _without_delta(self, choice: Json) -> Json:
        """Where the text of a choice is that has no `delta`: in `message`, or in the choice itself (completions)."""
        inner(choice, "delta")
        message = inner(choice, "message")
        if message is None:
            return choice
        if self.tokens and not self._in_messages:
            return {}  # the whole answer once more, at its end
        self._in_messages = True
        return message

    def _without_choices(self, event: Json, payload: bytes, stamp_ns: int) -> bool:
        """Take a typed event, an error, or what only states counts; whether it carried tokens."""
        name = event.get("type")
        typed = typed_event(name, event) if type(name) is str and not event.get("error") else None
        if typed is not None:
            if not self.prefix and typed.field and self.unlike < MOST_UNLIKE:
                self.lead = f"event: {name}\ndata: ".encode()
                self.prefix, self.suffix = around_value(payload, typed.field, typed.size)
            return self._typed(typed, stamp_ns)
        objects(event.get("choices"), "choices")
        output = self._usage(event)
        if event.get("error") or (output < 0 and is_error(event)):
            raise InBandError(error_text(event))
        if output >= 0:
            self._usage_at = len(self.chunk_ns)
            self._closed = output > 0
        elif not self.unknown_event and not self.tokens:
            self.unknown_event = payload
        return False

    def _typed(self, event: TypedEvent, stamp_ns: int) -> bool:
        """Take an event of Messages or Responses, whose usage comes at the start and at the end only."""
        size = event.size
        if event.whole and not self.chunk_ns:
            size, self.in_one_piece = event.whole, True
        if size:
            self._reasoning = self._reasoning or event.reasoning
            self._add(stamp_ns, 1, size)
        if event.usage is not None:
            usage = self._believed(event.usage)
            # Later counts may leave out what the first put beside the prompt.
            self._stated = self.usage.updated(replace(usage, prompt=max(usage.prompt, self.usage.prompt)))
            self._usage_at = len(self.chunk_ns)
        self.finish_reason = event.finish or self.finish_reason
        self.done = event.done
        return size > 0


def _vectors(data: object) -> int:
    """How many embeddings a list holds."""
    return sum(isinstance(item, dict) and "embedding" in item for item in data) if isinstance(data, list) else 0
