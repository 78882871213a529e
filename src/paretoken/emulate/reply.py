"""One answer on its way to its user: the bytes of its events, and what is to go wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paretoken.emulate import words
from paretoken.emulate.request import ApiError, CompletionRequest
from paretoken.predict.simulation.scheduler import Sequence

if TYPE_CHECKING:
    from paretoken.emulate.connection import ClientConnection

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"
_FAILED = ApiError(500, "the engine failed, as it was asked to")
N_WORDS = len(words.WORDS)
CUTS = ("reset", "truncate", "error")


def framed(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: bytes) -> bytes:
    return framed(b"data: " + data + b"\n\n")


class Reply:
    """A request being answered. `gain` is called with each step's tokens; times are on the server's clock."""

    __slots__ = (
        "around",
        "asked",
        "connection",
        "created",
        "events",
        "faults",
        "first_s",
        "held_back",
        "last_s",
        "made",
        "name",
        "one",
        "over",
        "per_event",
        "plain",
        "reason",
        "received_s",
        "script",
        "sent",
        "sequence",
        "tail",
        "word",
    )

    def __init__(
        self,
        connection: ClientConnection,
        asked: CompletionRequest,
        sequence: Sequence,
        script: words.Script,
        *,
        name: str,
        created: int,
        received_s: float,
        per_event: int = 1,
        faults: dict[str, float] | None = None,
    ) -> None:
        self.connection, self.asked, self.sequence, self.script = connection, asked, sequence, script
        self.name, self.created, self.received_s = name, created, received_s
        self.faults, self.reason = faults or {}, script.reason
        self.per_event = int(self.faults.get("chunk", per_event))
        self.made = self.sent = self.events = 0
        self.first_s = self.last_s = -1.0
        self.over = False
        self.held_back: bytearray | None = None  # what a stall keeps
        self.around = head, tail = self._template(None)
        size = len(head) + words.WORD_CHARS + len(tail)
        self.one, self.tail = b"%x\r\n" % size + head, tail + b"\r\n"
        self.word = script.start % N_WORDS
        self.plain = asked.stream and self.per_event == 1 and script.chars is None and not self.faults

    def _template(self, reason: str | None) -> tuple[bytes, bytes]:
        """What stands before and after the text of an event."""
        kind = "chat.completion.chunk" if self.asked.chat else "text_completion"
        top = {"id": self.name, "object": kind, "created": self.created, "model": self.asked.model}
        opening = '"delta":{"content":"' if self.asked.chat else '"text":"'
        closing = '"}' if self.asked.chat else '"'
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
        if not self.asked.stream:
            if done:
                self._send_whole()
            return not done
        if done or self.made - self.sent >= self.per_event or not self.sent:
            self._send(self._events(done))
            self._advance()
        if "stall" in self.faults and self.held_back is None:
            self._stall()
        return not done

    def _advance(self) -> None:
        self.sent = self.made
        self.word = (self.script.start + self.sent) % N_WORDS

    def _events(self, done: bool) -> bytes:
        """The event of the tokens not yet sent, and at the end all that closes a stream."""
        out = b""
        if not self.sent:
            out = event(self._role()) if self.asked.chat else b""
            out = event(json.dumps(self._echo()).encode()) + out if self.asked.echo else out
        text = self.script.text(self.sent, self.made)
        head, tail = self._template(self.reason) if done else self.around
        self.events += 1
        data = head + text.encode() + tail
        if self.faults.get("malformed") == self.events:
            data = data[: len(data) // 2] + b"\n\n"
        out += framed(data)
        return out + self._closing() if done else out

    def _echo(self) -> dict:
        choice = {"index": 0, "text": self.asked.echo, "logprobs": None, "finish_reason": None}
        return self._top("text_completion") | {"choices": [choice]}

    def _role(self) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return json.dumps(self._top("chat.completion.chunk") | {"choices": [choice]}).encode()

    def _top(self, kind: str) -> dict:
        return {"id": self.name, "object": kind, "created": self.created, "model": self.asked.model}

    def _closing(self) -> bytes:
        out = b""
        if self.asked.usage:
            kind = "chat.completion.chunk" if self.asked.chat else "text_completion"
            out = event(json.dumps(self._top(kind) | {"choices": [], "usage": self.usage()}).encode())
        return out + event(b"[DONE]") + END

    def usage(self) -> dict:
        """Token counts as the API states them."""
        prompt = self.asked.prompt_tokens
        counted = {"prompt_tokens": prompt, "total_tokens": prompt + self.made, "completion_tokens": self.made}
        return counted | {"prompt_tokens_details": {"cached_tokens": self.sequence.cached}}

    def _body(self) -> bytes:
        text = self.asked.echo + self.script.text(0, self.made)
        choice = {"index": 0, "logprobs": None, "finish_reason": self.reason, "stop_reason": None}
        choice |= {"message": {"role": "assistant", "content": text}} if self.asked.chat else {"text": text}
        top = self._top("chat.completion" if self.asked.chat else "text_completion")
        return json.dumps(top | {"choices": [choice], "usage": self.usage()}).encode()

    def _send_whole(self) -> None:
        body = self._body()
        if "malformed" in self.faults:
            body = body[: len(body) // 2]
        if "stall" in self.faults:
            self._stall()
        self._send(self.connection.whole(200, body))

    def _send(self, data: bytes) -> None:
        if self.held_back is not None:
            self.held_back += data
        else:
            self.connection.send(data)

    def _stall(self) -> None:
        """Keep everything from now on for some seconds, whatever the time scale."""
        self.held_back = bytearray()
        self.connection.server.later(self.faults["stall"], self.connection, self._go_on)

    def _go_on(self) -> None:
        held, self.held_back = self.held_back, None
        self.faults.pop("stall", None)
        self.connection.send(bytes(held or b""))
        if self.over:
            self.leave()

    def leave(self) -> None:
        """All is made: the connection is free as soon as all is sent."""
        self.over = True
        if self.held_back is None and self.connection.answer is self:
            self.connection.finished()

    def _cut(self, kind: str) -> bool:
        """End the answer where a fault says so."""
        self.reason = "abort"
        if kind == "reset":
            if self.asked.stream:
                self.connection.send(self._events(False))
            self.connection.reset()
        elif self.asked.stream:
            failed = event(_FAILED.body()) + event(b"[DONE]") if kind == "error" else b""
            self.connection.send(self._events(False) + failed + END)
        elif kind == "error":
            self.connection.refuse(_FAILED)
        else:
            body = self._body()
            self.connection.closing = True
            self.connection.send(self.connection.whole(200, body)[: -len(body) // 2])
        return False
