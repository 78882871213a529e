"""One reply on its way to its user: the bytes of its events, and what is to go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from paretoken.emulate import words
from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.request import CompletionRequest
from paretoken.emulate.surfaces.surface import Tokens
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
        "surface",
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
        self.surface = request.surface(request.model, name, created, script, request.ask)
        self.around = self.surface.around()
        self.plain = bool(self.around) and self._is_plain()
        head, tail = self.around or (b"", b"")
        size = len(head) + words.WORD_CHARS + len(tail)
        self.one, self.tail = b"%x\r\n" % size + head, tail + b"\r\n"
        self.word = script.start % N_WORDS

    def _is_plain(self) -> bool:
        """Whether every event holds one word, and nothing goes wrong."""
        script = self.script
        whole_words = self.per_event == 1 and script.chars is None and not script.calls
        return self.request.stream and whole_words and not self.faults

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
        """The events of the tokens not yet sent, and at the end all that closes a stream."""
        surface, tokens = self.surface, self.tokens()
        out = b"" if self.sent else b"".join(map(framed, surface.opening(tokens)))
        parts = self.script.parts(self.sent, self.made)
        for i, part in enumerate(parts):
            for data in surface.events(part, self.reason if done and i == len(parts) - 1 else None):
                self.events += 1
                cut = self.faults.get("malformed") == self.events
                out += framed(data[: len(data) // 2] + b"\n\n" if cut else data)
        return out + b"".join(map(framed, surface.closing(self.reason, tokens))) + END if done else out

    def tokens(self) -> Tokens:
        """Token counts so far."""
        return Tokens(self.request.prompt_tokens, self.sequence.cached, self.made)

    def _body(self) -> bytes:
        return self.surface.body(self.reason, self.tokens())

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
            failed = self.surface.failure(_FAILED) if kind == "error" else []
            self.connection.send(self._events(False) + b"".join(map(framed, failed)) + END)
        elif kind == "error":
            self.connection.refuse(self.surface.error(_FAILED.status, str(_FAILED)))
        else:
            body = self._body()
            self.connection.closing = True
            self.connection.send(self.connection.respond(200, body)[: -len(body) // 2])
        return False
