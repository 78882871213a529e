"""A small HTTP/1.1 reader and request writer: the part of the protocol that an inference server speaks.

The reader is fed bytes as they arrive, cut anywhere, and gives back the body bytes they held. It never
looks ahead and never blocks, so any split of the same bytes gives the same body.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

MAX_HEAD_BYTES = 65_536
"""Of a head, and of the trailers after a chunked body."""
MAX_LINE_BYTES = 1_024
MOST_INTERIM = 64
"""Interim (1xx) answers before the real one."""
MAX_LENGTH_DIGITS = 15

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\Z")
_HTTP2_FRAME = 9  # bytes of a frame's head
_HEAD, _LENGTH, _SIZE, _DATA, _CRLF, _TRAILER, _UNTIL_EOF, _END = range(8)


class MalformedError(Exception):
    """Bytes that are not HTTP, not an event stream, or not JSON; the text quotes them."""


def request_head(base_url: str, path: str, headers: dict[str, str]) -> bytes:
    """The head of a POST up to and including `Content-Length: `; the caller adds length, blank line, body."""
    url = urlsplit(base_url)
    lines = [
        f"POST {url.path.rstrip('/')}{path} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Content-Type: application/json",
        "Accept: text/event-stream, application/json",
        "Accept-Encoding: identity",
        "Connection: keep-alive",
        "User-Agent: paretoken",
        *(f"{name}: {value}" for name, value in headers.items()),
        "Content-Length: ",
    ]
    return "\r\n".join(lines).encode("latin-1")


class Response:
    """One answer, read incrementally: `feed` bytes, get body bytes; `done` once the framing says so."""

    __slots__ = (
        "_head_bytes",
        "_interim",
        "_left",
        "_state",
        "_tail",
        "done",
        "headers",
        "keep_alive",
        "length",
        "status",
        "surplus",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.keep_alive = False
        self.length = -1  # of the body as announced
        self.done = False
        self.surplus = False  # bytes after the end: the connection cannot be used again
        self._state = _HEAD
        self._left = 0
        self._tail = b""  # of a line between chunks
        self._head_bytes = bytearray()  # of a head
        self._interim = 0

    def feed(self, data: bytes) -> bytes:
        """Body bytes held by the next bytes of the connection. Raises MalformedError."""
        state = self._state
        if state == _SIZE:
            start = self.only_chunk(data)
            return data[start:-2] if start else self._chunked(data)
        if state == _HEAD:
            return self._head(data)
        if state == _LENGTH:
            return self._length(data)
        if state == _UNTIL_EOF:
            return data
        if state == _END:
            self.surplus = self.surplus or bool(data)
            return b""
        return self._chunked(data)

    def only_chunk(self, data: bytes) -> int:
        """Where the payload begins if these bytes are exactly one chunk, as most reads of a stream are; else 0."""
        line = data.find(b"\r\n", 1, 18)
        if self._state != _SIZE or self._tail or line < 0 or not data.endswith(b"\r\n"):
            return 0
        return line + 2 if data[:line] == size_line(len(data) - line - 4) else 0

    @property
    def in_chunks(self) -> bool:
        """Whether a chunked body has begun and not ended."""
        return _SIZE <= self._state <= _TRAILER

    @property
    def between_chunks(self) -> bool:
        """Whether the next byte begins a chunk."""
        return self._state == _SIZE and not self._tail

    def eof(self) -> bool:
        """Whether the answer is complete now that the server closed the connection. Raises MalformedError."""
        if self._state == _UNTIL_EOF:
            self.done = True
        elif self._head_bytes and self._head_bytes[:7] != b"HTTP/1."[: len(self._head_bytes)]:
            raise MalformedError(f"not an HTTP answer: {excerpt(bytes(self._head_bytes))}")
        return self.done

    def _finish(self, surplus: bool) -> None:
        self._state, self.done, self.surplus = _END, True, surplus

    def _head(self, data: bytes) -> bytes:
        partial = self._head_bytes
        searched = max(len(partial) - 3, 0)
        partial += data
        while (end := partial.find(b"\r\n\r\n", searched)) >= 0:
            head, searched = bytes(partial[:end]), 0
            del partial[: end + 4]
            self._read_head(head)
            if self._state == _HEAD:
                continue  # an interim answer; the real one follows
            rest = bytes(partial)
            partial.clear()
            if self._state == _END:
                self.surplus = bool(rest)
                return b""
            return self.feed(rest) if rest else b""
        if partial[:7] != b"HTTP/1."[: len(partial)]:
            words = spoken_instead(bytes(partial[:64]))
            if words:
                raise MalformedError(words)
        elif len(partial) > MAX_HEAD_BYTES:
            raise MalformedError(f"no end of the headers after {len(partial)} bytes: {excerpt(bytes(partial[:64]))}")
        return b""

    def _read_head(self, head: bytes) -> None:
        if len(head) > MAX_HEAD_BYTES:
            raise MalformedError(f"headers of {len(head)} bytes: {excerpt(head)}")
        first, *lines = head.split(b"\r\n")
        match = _STATUS_LINE.match(first)
        if match is None:
            other = "" if first.startswith(b"HTTP/") else spoken_instead(first)
            raise MalformedError(other or f"not an HTTP status line: {excerpt(first)}")
        status = int(match[2])
        headers: dict[bytes, bytes] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon:
                raise MalformedError(f"not an HTTP header: {excerpt(line)}")
            name, value = name.strip().lower(), value.strip()
            headers[name] = headers[name] + b", " + value if name in headers else value
        if status == 101:
            raise MalformedError("101: the server switches to another protocol, which was not requested")
        if status < 200:
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise MalformedError(f"more than {MOST_INTERIM} interim answers (the last is {status})")
            return
        self.status, self.headers = status, headers
        wish = headers.get(b"connection", b"").lower()
        self.keep_alive = b"close" not in wish and (match[1] == b"1" or b"keep-alive" in wish)
        self._choose_framing()

    def _choose_framing(self) -> None:
        coding = self.headers.get(b"transfer-encoding", b"identity").lower()
        length = self.headers.get(b"content-length")
        if coding not in (b"chunked", b"identity"):
            raise MalformedError(f"a Transfer-Encoding that was not requested: {excerpt(coding)}")
        if coding == b"chunked" and length is not None:
            raise MalformedError("both Content-Length and Transfer-Encoding, so the end of the answer is uncertain")
        if coding == b"chunked":
            self._state = _SIZE
        elif length is not None:
            self.length = self._left = _length_of(length)
            self._state = _LENGTH
            if not self._left:
                self._finish(False)
        elif self.status in (204, 304):
            self._finish(False)
        else:
            self._state, self.keep_alive = _UNTIL_EOF, False

    def _length(self, data: bytes) -> bytes:
        body = data[: self._left]
        self._left -= len(body)
        if not self._left:
            self._finish(len(data) > len(body))
        return body

    def _chunked(self, data: bytes) -> bytes:
        data, self._tail = self._tail + data, b""
        out: list[bytes] = []
        at, end = 0, len(data)
        while at < end and self._state != _END:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                out.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _CRLF
                continue
            stop = data.find(b"\r\n", at)
            if stop < 0:
                self._hold_line(data[at:])
                return b"".join(out)
            self._line(data[at:stop])
            at = stop + 2
        self.surplus = self.surplus or at < end
        return b"".join(out)

    def _hold_line(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE_BYTES:
            raise MalformedError(f"not a chunk size: {excerpt(rest)}")
        if self._state == _CRLF and rest != b"\r":
            raise MalformedError(f"not the end of a chunk: {excerpt(rest)}")
        self._tail = rest

    def _line(self, line: bytes) -> None:
        if self._state == _CRLF:
            if line:
                raise MalformedError(f"not the end of a chunk: {excerpt(line)}")
            self._state = _SIZE
        elif self._state == _SIZE:
            match = _CHUNK_SIZE.match(line)
            if match is None:
                raise MalformedError(f"not a chunk size: {excerpt(line)}")
            self._left = int(match[1], 16)
            self._state = _DATA if self._left else _TRAILER
        elif not line:
            self._finish(False)
        else:
            self._left += len(line)
            if self._left > MAX_HEAD_BYTES:
                raise MalformedError(f"no end of the trailers after {self._left} bytes: {excerpt(line)}")


@lru_cache(maxsize=8192)
def size_line(size: int) -> bytes | None:
    """How a chunk of this size is announced when written plainly in lower case; None for a size below 1."""
    return b"%x" % size if size > 0 else None


def _length_of(text: bytes) -> int:
    """The number of a Content-Length; the same one may stand there several times."""
    texts = {one.strip() for one in text.split(b",")}
    digits = texts.pop()
    if texts or not digits.isdigit() or len(digits) > MAX_LENGTH_DIGITS:
        raise MalformedError(f"not a Content-Length: {excerpt(text)}")
    return int(digits)


def spoken_instead(start: bytes) -> str:
    """What an answer is that does not begin as HTTP/1 does; empty while more bytes are needed to tell."""
    if start[:1] == b"\x15" and start[1:2] in (b"", b"\x03"):
        return "this port speaks TLS; use https://" if len(start) > 1 else ""
    if start[:2] in (b"\0", b"\0\0"):
        if len(start) < _HTTP2_FRAME:
            return ""
        if start[3] in (4, 7) and start[5:_HTTP2_FRAME] == bytes(4):  # SETTINGS or GOAWAY on stream 0
            return "the server speaks HTTP/2 only; put a proxy that speaks HTTP/1.1 before it"
    return f"not an HTTP answer: {excerpt(start)}"


def excerpt(data: bytes, limit: int = 60) -> str:
    """The first bytes as one printable line, for a message."""
    text = data[:limit].decode("utf-8", "replace")
    return repr(text) + ("…" if len(data) > limit else "")
