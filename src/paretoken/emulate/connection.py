"""One TCP connection: HTTP/1.1 requests in, bytes out at once, what the kernel cannot take kept for later."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from paretoken.emulate.api_errors import ApiError
from paretoken.emulate.reply import Reply
from paretoken.emulated import HEADER
from paretoken.version import __version__

MOST_HEAD, MOST_BODY = 65_536, 64 * 1024 * 1024
MOST_PIPELINED = 1_048_576
"""Bytes of later requests that are read while an answer runs, and of answers that wait for a client to take them."""
MOST_DIGITS = 12
READ = 262_144
LOG = logging.getLogger(__name__)
_LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A whole request; header names in lower case."""

    method: str
    path: str
    version: str
    headers: dict[str, str]
    body: bytes

    @property
    def last(self) -> bool:
        """Whether the connection ends with it."""
        wish = self.headers.get("connection", "").lower()
        return wish == "close" or (self.version == "HTTP/1.0" and wish != "keep-alive")


class ConnectionOwner(Protocol):
    """The server of a connection."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds of a steady clock."""

    def watch(self, connection: ClientConnection) -> None:
        """Report when the connection is readable unless it is `full`, and when it is writable if its outbox waits."""

    def forget(self, connection: ClientConnection) -> None:
        """The connection is about to close."""

    def handle(self, connection: ClientConnection, request: HttpRequest) -> None:
        """Answer a request at once, or set the connection's `reply`."""

    def abandon(self, reply: Reply) -> None:
        """Nobody waits for a reply any more."""

    def later(self, after_s: float, connection: ClientConnection, action: Callable[[], object]) -> None:
        """Call something after some seconds, on behalf of a connection."""


class ClientConnection:
    """A client's connection. `reply` is what it waits for; its next request is read when that is done."""

    __slots__ = (
        "began_s",
        "closing",
        "continued",
        "full",
        "inbox",
        "open",
        "outbox",
        "owner",
        "place",
        "reply",
        "sock",
    )

    def __init__(self, owner: ConnectionOwner, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.owner, self.sock = owner, sock
        self.place = sock.fileno()  # the lowest that is free: a client that reconnects takes its old place
        self.inbox, self.outbox = bytearray(), bytearray()
        self.reply: Reply | None = None
        self.open, self.closing, self.continued = True, False, False
        self.full = False  # enough of later requests is read
        self.began_s = 0.0  # when the request that is not whole yet began to come

    # ---- out

    def send(self, data: bytes) -> None:
        """Send now what the kernel takes, the rest when it can."""
        if not self.open:
            return
        if self.outbox:
            self.outbox += data
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost()
            return
        if sent < len(data):
            self.outbox += data[sent:]
            self.owner.watch(self)

    def writable(self) -> None:
        data, self.outbox = self.outbox, bytearray()
        self.send(bytes(data))
        if not self.outbox and self.open:
            self.owner.watch(self)
            if self.closing:
                self.close()
            elif self.full:
                self._go_on()

    def respond(self, status: int, body: bytes, kind: str = "application/json", *more: str) -> bytes:
        """The bytes of a response in one piece."""
        head = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"content-type: {kind}",
            f"content-length: {len(body)}",
            f"{HEADER}: {__version__}",
        ]
        head += [*more, *(["connection: close"] if self.closing else [])]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body

    def refuse(self, error: ApiError) -> None:
        """Reply with an error in OpenAI's form."""
        retry = ("retry-after: 1",) if error.status in (429, 503) else ()
        self.send(self.respond(error.status, error.body(), "application/json", *retry))

    # ---- in

    def later(self, after_s: float, action: Callable[[], object]) -> None:
        """Call something after some seconds."""
        self.owner.later(after_s, self, action)

    def readable(self) -> None:
        try:
            data = self.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost()
            return
        if not self.inbox:
            self.began_s = self.owner.clock()
        self.inbox += data
        self.next_request()
        if self.open and len(self.inbox) > MOST_PIPELINED and not self._may_go_on:
            self.full = True
            self.owner.watch(self)

    @property
    def _may_go_on(self) -> bool:
        """Whether the next request may be looked at: the client has its answer, and takes what is sent."""
        return self.reply is None and len(self.outbox) < MOST_PIPELINED

    def next_request(self) -> None:
        """Handle the requests that are wholly here, until one has to be waited for."""
        while self.open and not self.closing and self._may_go_on:
            try:
                request = self._parse()
            except ApiError as error:
                self.closing = True
                self.refuse(error)
                self._close_when_sent()
                return
            if request is None:
                return
            self.closing = request.last
            self.owner.handle(self, request)
            if self.reply is None and self.closing:
                self._close_when_sent()

    def finished(self) -> None:
        """The reply is out: close, or go on with what came meanwhile."""
        self.reply = None
        if not self.open:
            return
        if self.closing:
            self._close_when_sent()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Look at the requests that came meanwhile, and read again."""
        self.began_s = self.owner.clock()
        if self.inbox:
            self.next_request()
        if self.open and self.full and self._may_go_on:
            self.full = False
            self.owner.watch(self)

    def _parse(self) -> HttpRequest | None:
        end = self.inbox.find(b"\r\n\r\n")
        if end < 0:
            if len(self.inbox) > MOST_HEAD:
                raise ApiError(431, f"the head of the request is above {MOST_HEAD} bytes")
            return None
        line, *rest = bytes(self.inbox[:end]).decode("latin-1").split("\r\n")
        parts = line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise ApiError(400, "the request line is not HTTP/1.1")
        pairs = [(k.strip().lower(), v.strip()) for k, _, v in (h.partition(":") for h in rest)]
        headers = dict(pairs)
        if sum(name == "content-length" for name, _ in pairs) > 1:
            raise ApiError(400, "content-length is stated more than once; send one")
        if "transfer-encoding" in headers:
            raise ApiError(411, "send the body with a content-length")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise ApiError(400, f"content-length is {length[:MOST_DIGITS]!r}: it must be a whole number")
        if len(length) > MOST_DIGITS or int(length) > MOST_BODY:
            raise ApiError(413, f"content-length is {length[:MOST_DIGITS]!r}: above the {MOST_BODY} bytes allowed")
        whole = end + 4 + int(length)
        if len(self.inbox) < whole:
            if headers.get("expect", "").lower() == "100-continue" and not self.continued:
                self.continued = True
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        body = bytes(self.inbox[end + 4 : whole])
        del self.inbox[:whole]
        self.continued = False
        return HttpRequest(parts[0], parts[1].partition("?")[0], parts[2], headers, body)

    # ---- the end

    def too_slow(self) -> None:
        """The request did not come whole in time."""
        self.closing = True
        self.refuse(ApiError(408, "the request did not arrive in time"))
        self.close()

    def failed(self) -> None:
        """End this connection alone after an unforeseen error, and log it.

        HTTP 500 where nothing of an answer is out yet, else a reset.
        """
        LOG.exception("a request ended by an error of the emulated server")
        reply, self.reply = self.reply, None
        if reply is not None:
            self.owner.abandon(reply)
        if reply is not None and reply.request.stream:
            self.reset()
            return
        self.closing = True
        self.refuse(ApiError(500, "the emulated server failed at this request; see its log"))
        self._close_when_sent()

    def _close_when_sent(self) -> None:
        self.closing = True
        if not self.outbox:
            self.close()

    def lost(self) -> None:
        """The client went away: what it waited for is not made any more."""
        if self.open:
            reply, self.reply = self.reply, None
            self.close()
            if reply is not None:
                self.owner.abandon(reply)

    def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        if self.open:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self.close()

    def close(self) -> None:
        if self.open:
            self.open = False
            self.owner.forget(self)
            self.sock.close()
