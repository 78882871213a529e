"""One non-blocking TCP or TLS connection to an endpoint, and the endpoint's resolved address."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from paretoken.bench.apis import PATHS, api_headers
from paretoken.bench.client.http1 import request_head
from paretoken.bench.client.stamps import ask_kernel
from paretoken.bench.plan import Api, Endpoint
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.bench.client.exchange import Exchange

CONNECTING, HANDSHAKE, IDLE, BUSY, CLOSED = range(5)
PROBE_TIMEOUT_S = 2.0
READ_BYTES = 16_384

Address = tuple[str | int, ...] | tuple[int, bytes]
"""What `socket` takes and gives for the families of the internet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An endpoint made ready for the hot path: address, TLS context, and the head of every request."""

    index: int
    endpoint: Endpoint
    family: int
    address: Address
    host: str
    head: bytes = field(repr=False)  # holds the API key
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def make_target(
    index: int, endpoint: Endpoint, api: Api, headers: dict[str, str], tls: ssl.SSLContext | None = None
) -> Target:
    """Resolve one endpoint. Raises BadConfig for a URL or host that cannot be used."""
    url = urlsplit(endpoint.base_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise BadConfig(f"{endpoint.base_url!r} is not an http:// or https:// URL; give one like http://host:8000/v1")
    secure = url.scheme == "https"
    try:
        port = url.port or (443 if secure else 80)
    except ValueError:
        raise BadConfig(f"{endpoint.base_url!r} has no port between 0 and 65535; correct it") from None
    family, address = resolve(url.hostname, port)
    own_headers = api_headers(api, headers, endpoint.base_url)
    head = request_head(endpoint.base_url, PATHS[api] + endpoint.query, own_headers)
    context = (tls or ssl.create_default_context()) if secure else None
    if context is not None:
        _check_server_name(context, url.hostname)
    return Target(
        index=index, endpoint=endpoint, family=family, address=address, host=url.hostname, head=head, tls=context
    )


def tls_context(cafile: Path | None = None, insecure: bool = False) -> ssl.SSLContext:
    """What to trust: the system's authorities, or those of a file, or (for tests) anything."""
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(f"{cafile}: not a PEM file of certificate authorities ({error})") from None
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _check_server_name(context: ssl.SSLContext, host: str) -> None:
    """BadConfig for a host that no certificate can name."""
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=host)
    except ValueError as error:
        raise BadConfig(f"host {host!r} cannot be used with https ({error}); check the URL") from None


def resolve(host: str, port: int) -> tuple[int, Address]:
    """The first address of a host that accepts a connection, else the first; once, before the run."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadConfig(f"host {host!r} has no address ({error}); check the URL's host name") from None
    if len(addresses) > 1:
        for family, _, _, _, address in addresses:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(PROBE_TIMEOUT_S)
                if sock.connect_ex(address) == 0:
                    return family, address
    return addresses[0][0], addresses[0][4]


class Connection:
    """A socket, what it is doing, and the reads of the running answer that are not yet parsed."""

    __slots__ = (
        "_incoming",
        "_outgoing",
        "datas",
        "eager",
        "exchange",
        "fd",
        "fresh",
        "last_ns",
        "late",
        "out",
        "recvmsg",
        "send",
        "served",
        "since_ns",
        "sock",
        "stamps",
        "state",
        "target",
        "tls",
    )

    def __init__(self, target: Target, now_ns: int, stamped: bool = True) -> None:
        self.target = target
        self.sock = socket.socket(target.family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if stamped:
            ask_kernel(self.sock)
        self.fd = self.sock.fileno()
        self.recvmsg, self.send = self.sock.recvmsg, self.sock.send
        self.state = CONNECTING
        self.exchange: Exchange | None = None
        self.served = 0  # answers already read on it
        self.since_ns = now_ns
        self.last_ns = now_ns
        self.out: memoryview | None = None
        self.datas: list[bytes] = []
        self.stamps: list[int] = []
        self.late: list[int] = []  # indices of the reads that the client was late for
        self.eager = True  # each read may be the last: not (yet) known to be a chunked stream
        self.fresh = True  # no token of the running answer is parsed yet
        self.tls: ssl.SSLObject | None = None

    def connect(self) -> None:
        """Begin to connect. Raises OSError where that fails at once."""
        code = self.sock.connect_ex(self.target.address)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            raise OSError(code, os.strerror(code))

    def connected(self) -> None:
        """The socket became writable: it is connected, or says why not (OSError)."""
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        if self.target.tls is None:
            self.state = IDLE
            return
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.target.tls.wrap_bio(self._incoming, self._outgoing, server_hostname=self.target.host)
        self.state = HANDSHAKE
        self.shake_hands(b"")

    def shake_hands(self, data: bytes | None) -> None:
        """Go on with the handshake by the bytes that came (None: the server hung up). Raises OSError."""
        if self.tls is None:
            return
        if data is None:
            raise ssl.SSLError("the server closed the connection during the TLS handshake")
        self._incoming.write(data)
        try:
            self.tls.do_handshake()
            self.state = IDLE
        except ssl.SSLWantReadError:
            pass
        finally:
            self._send_sealed()

    def still_open(self) -> bool:
        """Whether an idle connection can be used: the server has not closed it, nor sent what nobody asked for."""
        try:
            while data := self.sock.recv(READ_BYTES):
                if self.tls is None or self.unseal(data) is not None:  # a TLS session ticket is no byte of an answer
                    return False
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def seal(self, data: bytes) -> bytes:
        """What goes on the wire for these bytes."""
        if self.tls is None:
            return data
        self.tls.write(data)
        return self._outgoing.read()

    def unseal(self, data: bytes) -> bytes | None:
        """Plain bytes of a read: None where no record is complete, empty at the end of the stream."""
        if self.tls is None:
            return data
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        plain: list[bytes] = []
        try:
            while piece := self.tls.read(65_536):
                plain.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(plain) or None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        return b"".join(plain)

    def _send_sealed(self) -> None:
        wire = self._outgoing.read()
        if wire:
            # A handshake flight is a few kB and the buffer is empty, so it goes out whole.
            self.sock.send(wire)

    def begin(self, exchange: Exchange, request: bytes) -> bool:
        """Hand a request to the kernel; whether all of it was taken. Raises OSError."""
        self.exchange, self.state = exchange, BUSY
        self.eager = self.fresh = True
        wire = self.seal(request)
        sent = self._push(wire)
        if sent == len(wire):
            return True
        self.out = memoryview(wire)[sent:]
        return False

    def resume(self) -> bool:
        """Hand the rest of a request to the kernel; whether that was all. Raises OSError."""
        if self.out is None:
            return False
        self.out = self.out[self._push(self.out) :]
        if self.out:
            return False
        self.out = None
        return True

    def _push(self, data: bytes | memoryview) -> int:
        try:
            return self.send(data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        self.state = CLOSED
        self.exchange = None
        self.sock.close()
