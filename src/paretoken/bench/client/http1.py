"""A small HTTP/1.1 reader and request writer: the part of the protocol that an inference server speaks.

The reader is fed bytes as they arrive, cut anywhere, and gives back the body bytes they held. It never
looks ahead and never blocks, so any split of the same bytes gives the same body.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

MAX_HEAD_BYTES = 65_536
MAX_LINE_BYTES = 1_024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\Z")
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

    __slots__ = ("_left", "_state", "_tail", "done", "headers", "keep_alive", "status", "surplus")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.keep_alive = False
        self.done = False
        self.surplus = False  # bytes after the end: the connection cannot be used again
        self._state = _HEAD
        self._left = 0
        self._tail = b""

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
        """Whether the answer is complete now that the server closed the connection."""
        if self._state == _UNTIL_EOF:
            self.done = True
        return self.done

    def _finish(self, surplus: bool) -> None:
        self._state, self.done, self.surplus = _END, True, surplus

    def _head(self, data: bytes) -> bytes:
        data = self._tail + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD_BYTES or not b"HTTP/1."[: len(data)] == data[:7]:
                raise MalformedError(f"not an HTTP answer: {excerpt(data)}")
            self._tail = data
            return b""
        self._tail = b""
        self._read_head(data[:end])
        rest = data[end + 4 :]
        if self._state == _HEAD:  # an interim 1xx answer; the real one follows
            return self._head(rest) if rest else b""
        if self._state == _END:
            self.surplus = bool(rest)
            return b""
        return self.feed(rest) if rest else b""

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        match = _STATUS_LINE.match(first)
        if match is None:
            raise MalformedError(f"not an HTTP status line: {excerpt(first)}")
        status = int(match[2])
        headers: dict[bytes, bytes] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon:
                raise MalformedError(f"not an HTTP header: {excerpt(line)}")
            headers[name.strip().lower()] = value.strip()
        if 100 <= status < 200:
            return
        self.status, self.headers = status, headers
        wish = headers.get(b"connection", b"").lower()
        self.keep_alive = b"close" not in wish and (match[1] == b"1" or b"keep-alive" in wish)
        self._choose_framing()

    def _choose_framing(self) -> None:
        if b"chunked" in self.headers.get(b"transfer-encoding", b"").lower():
            self._state = _SIZE
        elif b"content-length" in self.headers:
            text = self.headers[b"content-length"]
            if not text.isdigit():
                raise MalformedError(f"not a Content-Length: {excerpt(text)}")
            self._left = int(text)
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


@lru_cache(maxsize=8192)
def size_line(size: int) -> bytes | None:
    """How a chunk of this size is announced when written plainly in lower case; None for a size below 1."""
    return b"%x" % size if size > 0 else None


def excerpt(data: bytes, limit: int = 60) -> str:
    """The first bytes as one printable line, for a message."""
    text = data[:limit].decode("utf-8", "replace")
    return repr(text) + ("…" if len(data) > limit else "")
