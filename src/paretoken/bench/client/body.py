"""The body of an answer: unpacked where it is packed, and told apart, an event stream or one piece."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.bench.client.http1 import MalformedError, Response
from paretoken.bench.client.sse import EventStream, Opening
from paretoken.bench.client.unpack import Unpacker
from paretoken.foreign_text import MAX_ERROR_BODY_BYTES

MAX_BODY_BYTES, LEAST_BODY_BYTES, BYTES_PER_TOKEN = 16 * 1024 * 1024, 2 * 1024 * 1024, 1024
"""Limits of an answer in one piece, unpacked. The bytes per planned token leave room for log-probabilities."""


class AnswerBody:
    """Takes body bytes and gives the payloads of events; `unstreamed` holds the bytes that belong to none.

    Servers stream events under any content type, so the first bytes decide.
    """

    __slots__ = (
        "_content_type",
        "_most_bytes",
        "_opening",
        "_refused",
        "_unpacker",
        "_unreadable",
        "events",
        "unstreamed",
    )

    def __init__(self, response: Response, planned: int) -> None:
        self.events: EventStream | None = None
        self.unstreamed = bytearray()
        self._content_type = response.headers.get(b"content-type", b"").lower()
        self._opening = Opening()
        self._refused = response.status >= 300
        self._unreadable = False  # the rest of an error's words
        self._most_bytes = most_bytes(planned)
        if response.length > self._most_bytes and not (declares_events(response) or self._refused):
            raise MalformedError(f"an answer of {response.length:,} bytes; at most {self._most_bytes:,} are read")
        coding = response.headers.get(b"content-encoding", b"").lower()
        self._unpacker = None if coding in (b"", b"identity") else Unpacker(coding)

    @property
    def packed(self) -> bool:
        """Whether the bytes of the connection are not those of the body."""
        return self._unpacker is not None

    @property
    def cut_off(self) -> bool:
        """Whether packed data ends early."""
        return self._unpacker is not None and not self._unpacker.whole

    @property
    def long_enough(self) -> bool:
        """Whether more of an error's words would not be read."""
        return self._refused and (self._unreadable or len(self.unstreamed) >= MAX_ERROR_BODY_BYTES)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Payloads of the events that these bytes complete. Raises MalformedError for more than is read."""
        for piece in (data,) if self._unpacker is None else self._unpacked(self._unpacker, data):
            if self.events is None:
                piece = self._begin(piece)
            if self.events is not None:
                yield from self.events.feed(piece)
            elif self.long_enough:
                return

    def _unpacked(self, unpacker: Unpacker, data: bytes) -> Iterator[bytes]:
        """The plain pieces of packed bytes; an error whose words cannot be unpacked is still that error."""
        try:
            yield from unpacker.feed(data)
        except MalformedError:
            if not self._refused:
                raise
            self._unreadable = True

    def _begin(self, piece: bytes) -> bytes:
        """Hold the first bytes until they tell what the body is; what then is to be read as events."""
        if self.long_enough:
            return b""
        start = None if self._refused else self._opening.stream(self._content_type, piece)
        if start is not None:
            self.events, self.unstreamed = EventStream(start), bytearray()
            return piece
        self.unstreamed += piece
        if len(self.unstreamed) > self._most_bytes:
            raise MalformedError(f"an answer of more than {self._most_bytes:,} bytes that is no event stream")
        return b""


def most_bytes(planned: int) -> int:
    """The longest answer in one piece that is read, for these planned output tokens (-1: unknown)."""
    return min(MAX_BODY_BYTES, max(LEAST_BODY_BYTES, BYTES_PER_TOKEN * planned)) if planned > 0 else MAX_BODY_BYTES


def declares_events(response: Response) -> bool:
    """Whether a success says that it is an event stream."""
    return 200 <= response.status < 300 and b"event-stream" in response.headers.get(b"content-type", b"").lower()
