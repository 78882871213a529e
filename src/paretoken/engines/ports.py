"""Ports of this machine: taken or free."""

from __future__ import annotations

import socket


def port_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could not listen there now."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a server that just ended seems to be there
        try:
            s.bind((host, port))
        except (OSError, OverflowError):
            return True
    return False


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on; another program may take it before it is used."""
    with socket.socket() as s:
        s.bind((host, 0))
        port: int = s.getsockname()[1]
        return port
