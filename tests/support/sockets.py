"""Requests as a server of the tests reads them from a connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator


def requests_on(sock: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """(head, body) of each HTTP/1.1 request of a connection, until the client ends it."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65_536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        while len(data) < length:
            data += sock.recv(65_536)
        body, data = data[:length], data[length:]
        yield head, body
