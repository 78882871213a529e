"""The interface of every API: reading a request, and the bytes of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.fields import Body
from paretoken.emulate.prompt import Piece
from paretoken.emulate.tools import Tool
from paretoken.emulate.words import AnswerPart, Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A parsed request: the pieces of its prompt, the tools to call, and the limits of its answer."""

    pieces: list[Piece]
    most_tokens: int | None
    stops: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    usage: bool = False
    echo: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a prompt, those of it in the prefix cache, and the tokens of the answer so far."""

    prompt: int
    cached: int
    made: int


@dataclass(slots=True)
class Surface:
    """One answer in one API. Events of a stream are blocks of lines, each with an empty line at its end.

    `name` is the id of the answer, `created` a Unix time in seconds.
    """

    model: str
    name: str
    created: int
    script: Script
    ask: Ask
    prefix: ClassVar[str] = ""
    prompt_field: ClassVar[str] = "messages"
    limit_field: ClassVar[str] = "max_tokens"
    default_tokens: ClassVar[int | None] = None
    """Most tokens of an answer if the request sets no limit; None is the whole context."""
    error: ClassVar[type[ApiError]] = ApiError

    @classmethod
    def read(cls, body: Body) -> Ask:
        """The request in a body. Raises ApiError."""
        raise NotImplementedError

    def around(self) -> tuple[bytes, bytes] | None:
        """The bytes before and behind one word of a text in an event; None where events are numbered."""
        return None

    def opening(self, tokens: Tokens) -> list[bytes]:
        """Events before the first token."""
        return []

    def events(self, part: AnswerPart, reason: str | None) -> list[bytes]:
        """Events of a part of the answer; `reason` is why the answer ends with it, if it does."""
        raise NotImplementedError

    def closing(self, reason: str, tokens: Tokens) -> list[bytes]:
        """Events after the last token."""
        return []

    def body(self, reason: str, tokens: Tokens) -> bytes:
        """The answer without a stream."""
        raise NotImplementedError

    def failure(self, error: ApiError) -> list[bytes]:
        """Events of an answer that fails after its start."""
        return [data(error.body())]

    def call_id(self, call: int) -> str:
        """The id of a tool call."""
        return self.part_id("call", call)

    def part_id(self, prefix: str, index: int) -> str:
        """The id of a part of the answer: the answer's own behind `prefix`, and the number of the part."""
        return f"{prefix}_{self.name.rpartition('-')[2]}{index:02x}"


def data(payload: bytes) -> bytes:
    """An event without a name."""
    return b"data: " + payload + b"\n\n"


def named(kind: str, payload: bytes) -> bytes:
    """An event with a name."""
    return f"event: {kind}\n".encode() + data(payload)
