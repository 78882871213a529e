"""Server-sent events: body bytes in, the payload of each complete event out."""

from __future__ import annotations

from paretoken.bench.client.http1 import MalformedError, excerpt

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventStream:
    """Splits a body on blank lines, whatever the line ends and wherever the reads were cut."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    @property
    def clean(self) -> bool:
        """Whether the next byte begins an event."""
        return not self._tail

    def feed(self, body: bytes) -> list[bytes]:
        """Payloads of the events that these bytes complete; comments and empty events give none."""
        if self._tail:
            body = self._tail + body
        half = b""
        if b"\r" in body:
            # A lone CR at the end may be half of CRLF: it stays until the next byte tells.
            if body.endswith(b"\r"):
                body, half = body[:-1], b"\r"
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        elif body[-2:] == b"\n\n" and body[:6] == b"data: " and body.find(b"\n") == len(body) - 2:
            self._tail = b""
            return [body[6:-2]]
        parts = body.split(b"\n\n")
        self._tail = parts.pop() + half
        if len(self._tail) > MAX_EVENT_BYTES:
            raise MalformedError(f"no end of event after {len(self._tail)} bytes: {excerpt(self._tail)}")
        return [p for p in map(payload, parts) if p is not None]

    def flush(self) -> list[bytes]:
        """The payload of a last event that was never closed by a blank line, at the end of the body."""
        last, self._tail = payload(self._tail.replace(b"\r", b"\n")), b""
        return [] if last is None else [last]


def payload(event: bytes) -> bytes | None:
    """The data of one event, None where it has none.

    An `error` field (older llama.cpp) or `event: error` is given as `{"error": …}`, the form that the
    others send as data.
    """
    data: list[bytes] = []
    error = False
    for line in event.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"error":
            error = True
            data.append(value)
        elif name == b"event" and value == b"error":
            error = True
    if not data:
        return None
    joined = b"\n".join(data)
    return b'{"error":' + joined + b"}" if error and not joined.startswith(b'{"error"') else joined
