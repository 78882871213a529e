"""One reply on its way to its user: the bytes of its events, and what is to go wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from paretoken.emulate import words
from paretoken.emulate.request import ApiError, CompletionRequest
from paretoken.emulated import HEADER
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.version import __version__

STREAM_HEAD = (
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    f"transfer-encoding: chunked\r\n{HEADER}: {__version__}\r\n\r\n"
).encode()
END = b"0\r\n\r\n"
_FAILED = ApiError(500, "the engine failed (injected fault)")
N_WORDS = len(words.WORDS)
CUTS = ("reset", "truncate", "error")


def framed(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: bytes) -> bytes:
    return framed(b"data: " + data + b"\n\n")


class ReplyClient(Protocol):
    """The connection that a reply is sent on."""

    closing: bool
    place: int
    reply: Reply | None

    def send(self, data: bytes) -> None:
        """Send now, or as soon as the kernel takes it."""

    def respond(self, status: int, body: bytes) -> bytes:
        """The bytes of a response in one piece."""
        ...

    def refuse(self, error: ApiError) -> None:
        """Respond with an error."""

    def later(self, after_s: float, action: Callable[[], object]) -> None:
        """Call something after some seconds."""

    def reset(self) -> None:
        """Break the connection."""

    def failed(self) -> None:
        """End the connection after an error of ours."""

    def finished(self) -> None:
        """The reply is out."""


class Reply:
    """A request being answered. `gain` is called with each step's tokens; times are on the server's clock."""

    __slots__ = (
        "around",
        "connection",
        "created",
        "events",
        "faults",
        "first_s",
        "last_s",
        "made",
        "name",
        "one",
        "over",
        "per_event",
        "plain",
        "reason",
        "received_s",
        "request",
        "script",
        "sent",
        "sequence",
        "stalled",
        "tail",
        "word",
    )

    def __init__(
        self,
        connection: ReplyClient,
        request: CompletionRequest,
        sequence: Sequence[Reply],
        script: words.Script,
        *,
        name: str,
        created: int,
        received_s: float,
        faults: Mapping[str, float] | None = None,
    ) -> None:
        self.connection, self.request, self.sequence, self.script = connection, request, sequence, script
        self.name, self.created, self.received_s = name, created, received_s
        self.faults, self.reason = dict(faults or {}), script.reason
        self.per_event = script.per_event
        self.made = self.sent = self.events = 0
        self.first_s = self.last_s = -1.0
        self.over = False
        self.stalled: bytearray | None = None  # what a stall keeps
        self.around = head, tail = self._template(None)
        size = len(head) + words.WORD_CHARS + len(tail)
        self.one, self.tail = b"%x\r\n" % size + head, tail + b"\r\n"
        self.word = script.start % N_WORDS
        self.plain = request.stream and self.per_event == 1 and script.chars is None and not self.faults

    def _template(self, reason: str | None) -> tuple[bytes, bytes]:
        """The bytes before and after the text of an event."""
        kind = "chat.completion.chunk" if self.request.chat else "text_completion"
        top = {"id": self.name, "object": kind, "created": self.created, "model": self.request.model}
        opening = '"delta":{"content":"' if self.request.chat else '"text":"'
        closing = '"}' if self.request.chat else '"'
        head = f'data: {json.dumps(top)[:-1]}, "choices":[{{"index":0,{opening}'
        return head.encode(), f'{closing},"logprobs":null,"finish_reason":{json.dumps(reason)}}}]}}\n\n'.encode()

    def gain(self, tokens: int, at_s: float, done: bool) -> bool:
        """Pass on what a step made; False where the answer ends here, whatever the engine still meant to do."""
        self.made += tokens
        if self.first_s < 0:
            self.first_s = at_s
        elif self.plain and tokens == 1 and not done:
            self.last_s = at_s
            self.connection.send(self.one + words.ROUND[self.word] + self.tail)
            self.sent += 1
            self.word = (self.word + 1) % N_WORDS
            return True
        self.last_s = at_s
        for kind in CUTS:
            if kind in self.faults and self.made >= self.faults[kind]:
                return self._cut(kind)
        if not self.request.stream:
            if done:
                self._send_whole()
            return not done
        if done or self.made - self.sent >= self.per_event or not self.sent:
            self._send(self._events(done))
            self._advance()
        if "stall" in self.faults and self.stalled is None:
            self._stall()
        return not done

    def _advance(self) -> None:
        self.sent = self.made
        self.word = (self.script.start + self.sent) % N_WORDS

    def _events(self, done: bool) -> bytes:
        """The event of the tokens not yet sent, and at the end all that closes a stream."""
        out = b""
        if not self.sent:
            out = event(self._role()) if self.request.chat else b""
            out = event(json.dumps(self._echo()).encode()) + out if self.request.echo else out
        text = self.script.text(self.sent, self.made)
        head, tail = self._template(self.reason) if done else self.around
        self.events += 1
        data = head + text.encode() + tail
        if self.faults.get("malformed") == self.events:
            data = data[: len(data) // 2] + b"\n\n"
        out += framed(data)
        return out + self._closing() if done else out

    def _echo(self) -> dict[str, object]:
        choice = {"index": 0, "text": self.request.echo, "logprobs": None, "finish_reason": None}
        return self._top("text_completion") | {"choices": [choice]}

    def _role(self) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return json.dumps(self._top("chat.completion.chunk") | {"choices": [choice]}).encode()

    def _top(self, kind: str) -> dict[str, object]:
        return {"id": self.name, "object": kind, "created": self.created, "model": self.request.model}

    def _closing(self) -> bytes:
        out = b""
        if self.request.usage:
            kind = "chat.completion.chunk" if self.request.chat else "text_completion"
            out = event(json.dumps(self._top(kind) | {"choices": [], "usage": self.usage()}).encode())
        return out + event(b"[DONE]") + END

    def usage(self) -> dict[str, object]:
        """Token counts as the API states them."""
        prompt = self.request.prompt_tokens
        counted = {"prompt_tokens": prompt, "total_tokens": prompt + self.made, "completion_tokens": self.made}
        return counted | {"prompt_tokens_details": {"cached_tokens": self.sequence.cached}}

    def _body(self) -> bytes:
        text = self.request.echo + self.script.text(0, self.made)
        choice: dict[str, object] = {"index": 0, "logprobs": None, "finish_reason": self.reason, "stop_reason": None}
        choice |= {"message": {"role": "assistant", "content": text}} if self.request.chat else {"text": text}
        top = self._top("chat.completion" if self.request.chat else "text_completion")
        return json.dumps(top | {"choices": [choice], "usage": self.usage()}).encode()

    def _send_whole(self) -> None:
        body = self._body()
        if "malformed" in self.faults:
            body = body[: len(body) // 2]
        if "stall" in self.faults:
            self._stall()
        self._send(self.connection.respond(200, body))

    def _send(self, data: bytes) -> None:
        if self.stalled is not None:
            self.stalled += data
        else:
            self.connection.send(data)

    def _stall(self) -> None:
        """Keep everything from now on for some seconds, whatever the time scale."""
        self.stalled = bytearray()
        self.connection.later(self.faults["stall"], self._go_on)

    def _go_on(self) -> None:
        kept, self.stalled = self.stalled, None
        self.faults.pop("stall", None)
        self.connection.send(bytes(kept or b""))
        if self.over:
            self.leave()

    def leave(self) -> None:
        """All is made: the connection is free as soon as all is sent."""
        self.over = True
        if self.stalled is None and self.connection.reply is self:
            self.connection.finished()

    def _cut(self, kind: str) -> bool:
        """End the answer where a fault says so."""
        self.reason = "abort"
        if kind == "reset":
            if self.request.stream:
                self.connection.send(self._events(False))
            self.connection.reset()
        elif self.request.stream:
            failed = event(_FAILED.body()) + event(b"[DONE]") if kind == "error" else b""
            self.connection.send(self._events(False) + failed + END)
        elif kind == "error":
            self.connection.refuse(_FAILED)
        else:
            body = self._body()
            self.connection.closing = True
            self.connection.send(self.connection.respond(200, body)[: -len(body) // 2])
        return False
