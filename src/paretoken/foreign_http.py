"""Small answers of other people's servers over HTTP: bounded in bytes and in time, a key for one origin alone.

A redirect of a GET is followed within its origin (scheme, host, port) only; anything else raises `Redirected`, so
that a header with a key never reaches another host, and never leaves https for http. Proxies of the environment are
not used, because the load is not sent through them either.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson

from paretoken.foreign_text import PART_OF_SECRET, error_words, one_line

MOST_REDIRECTS = 3
MOST_BYTES = 4_000_000
FAILURES = (OSError, ValueError, http.client.HTTPException)
"""What a request raises where there is no usable answer; ssl.SSLError and TimeoutError are kinds of OSError."""
_ENOUGH = 16
_REDIRECTS = (301, 302, 303, 307, 308)
_TLS_REQUIRED = ("request was sent to https port", "http request to an https server", "speaking plain http to an ssl")


class Redirected(http.client.HTTPException):
    """A redirect of that status, not followed; `url` is where it points, absolute, `shown` the same fit to be shown."""

    def __init__(self, status: int, url: str, secret: str = "") -> None:
        self.status, self.url, self.shown = status, url, one_line(url, secret)
        super().__init__(f"redirects to {self.shown}")


class OtherProtocol(http.client.HTTPException):
    """An answer that is not HTTP/1.1; the text says which protocol it is, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallAnswer:
    """A whole answer; names of `headers` are in lower case, `url` is where it came from after redirects.

    `secret` holds what the request's own headers said, which is never shown.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    secret: str = field(default="", repr=False)

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people, such as a login."""
        return self.body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html", b"<head"))

    def json(self) -> object:
        """The body as JSON; ValueError where it is none, or is nested too deep."""
        return orjson.loads(self.body.removeprefix(b"\xef\xbb\xbf"))

    def words(self) -> str:
        """What the server says, on one short line without a key: the text of an error object or of a page."""
        return one_line(error_words(self.body), self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallRequests:
    """Sends one request at a time, each on a connection of its own, ended after `timeout_s` in all."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None
    timeout_s: float = 5.0
    most_bytes: int = MOST_BYTES

    @property
    def secret(self) -> str:
        """What no words of the server may show: the values of the headers, one a line; short ones are words of any
        text."""
        return "\n".join(value for value in self.headers.values() if len(value) >= PART_OF_SECRET)

    def get(self, url: str) -> SmallAnswer:
        """The answer at a URL, of any status but a redirect. Redirected for one that leaves the origin."""
        for left in reversed(range(MOST_REDIRECTS)):
            answer = self._exchange("GET", url, None)
            if answer.status not in _REDIRECTS:
                break
            target = urljoin(url, answer.headers.get("location", ""))
            if not left or not same_origin(target, url) or target == url:
                raise Redirected(answer.status, target, self.secret)
            url = target
        return answer

    def post(self, url: str, body: bytes) -> SmallAnswer:
        """The answer to a JSON body. Redirected for any redirect, since the load is not redirected either."""
        answer = self._exchange("POST", url, body)
        if answer.status in _REDIRECTS:
            raise Redirected(answer.status, urljoin(url, answer.headers.get("location", "")), self.secret)
        return answer

    def _exchange(self, method: str, url: str, body: bytes | None) -> SmallAnswer:
        parts = urlsplit(url)
        deadline_s = time.monotonic() + self.timeout_s
        with closing(self._connection(parts.scheme, parts.netloc.rpartition("@")[2])) as connection:
            connection.connect()
            assert connection.sock is not None  # noqa: S101 - as connect() leaves it
            reader = _TimedReader(connection.sock, deadline_s)
            with closing(reader):
                connection.request(method, _target(parts.path, parts.query), body, self._all_headers(body))
                answer = http.client.HTTPResponse(_SocketOfAnswer(reader), method=method)  # type: ignore[arg-type]  # it uses makefile()
                answer.begin()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                data = answer.read(self.most_bytes)
        if headers.get("content-encoding", "identity") in ("gzip", "x-gzip", "deflate"):
            data = _unpacked(data, self.most_bytes)
        return SmallAnswer(url=url, status=answer.status, headers=headers, body=data, secret=self.secret)

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(netloc, timeout=self.timeout_s, context=self.tls)
        return http.client.HTTPConnection(netloc, timeout=self.timeout_s)

    def _all_headers(self, body: bytes | None) -> dict[str, str]:
        own = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "paretoken"}
        return own | ({} if body is None else {"Content-Type": "application/json"}) | dict(self.headers)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, the default one where none is written; ValueError for a port that is no number."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(scheme)


def same_origin(a: str, b: str) -> bool:
    """Whether two URLs have the same origin; not where one of them is none."""
    try:
        return origin(a) == origin(b)
    except ValueError:
        return False


def other_protocol(first: bytes) -> str:
    """What is spoken where an answer begins with these bytes, and what to do; empty where it may be HTTP/1.1."""
    if (len(first) >= 5 and first[3] == 4 and first[:2] == b"\0\0") or first.startswith(b"PRI * HTTP/2"):
        return "speaks HTTP/2 only; turn HTTP/1.1 on, or put a proxy that speaks it in front"
    if first[:1] in (b"\x15", b"\x16") and first[1:2] == b"\x03":
        return "speaks TLS; write the URL with https://"
    return ""


def asks_for_tls(answer: SmallAnswer) -> bool:
    """Whether an answer over plain HTTP says that the port is one for TLS."""
    return answer.status == 400 and any(words in answer.words().lower() for words in _TLS_REQUIRED)


class _TimedReader(io.RawIOBase):
    """The bytes of a connection until a deadline, whatever the pace at which they come. OtherProtocol by the first."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._socket, self._raw = connection, connection.makefile("rb", buffering=0)
        self._deadline_s, self._first = deadline_s, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left_s)
        count: int = self._raw.readinto(buffer) or 0
        if len(self._first) < _ENOUGH:
            self._first += bytes(buffer[: min(count, _ENOUGH)])
            if protocol := other_protocol(self._first):
                raise OtherProtocol(protocol)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _SocketOfAnswer:
    """The part of a socket that HTTPResponse uses."""

    def __init__(self, reader: _TimedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


def _target(path: str, query: str) -> str:
    return (path or "/") + (f"?{query}" if query else "")


def _unpacked(data: bytes, most_bytes: int) -> bytes:
    """A packed body in plain; ValueError where it is broken."""
    try:
        return zlib.decompressobj(wbits=47).decompress(data, most_bytes)
    except zlib.error as error:
        raise ValueError("the body is packed, and broken") from error
