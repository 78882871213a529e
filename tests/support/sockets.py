"""HTTP requests as the test servers read them from a connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator


def requests_on(sock: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """(head, body) of each HTTP/1.1 request of a connection, until the client closes it."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            received = sock.recv(65_536)
            if not received:
                return
            data += received
        head, _, data = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        while len(data) < length:
            received = sock.recv(65_536)
            if not received:
                return
            data += received
        body, data = data[:length], data[length:]
        yield head, body
