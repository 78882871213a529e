"""The `/metrics` of a running benchmark: a page that a Prometheus server collects.

It is bound to this machine. Beyond it, it needs a token, which a Prometheus server sends as `authorization`. A browser
is refused: a page of another site could otherwise read it under a name of its own.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from paretoken.errors import BadConfig, quoted
from paretoken.exposition import TEXT_FORMAT

LOOPBACK = "127.0.0.1"
TOKEN = "PARETOKEN_METRICS_TOKEN"  # noqa: S105 - the name of a variable
SLOWEST_S = 5.0


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; `text` and `token` are set by the server."""

    timeout = SLOWEST_S
    server: _MetricsServer

    def do_GET(self) -> None:
        status, body = self._answer()
        self.send_response(status)
        self.send_header("Content-Type", TEXT_FORMAT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> tuple[int, bytes]:
        if "Origin" in self.headers or not _is_own_name(self.headers.get("Host", ""), bool(self.server.token)):
            return 403, b"not for pages of other sites\n"
        if self.server.token and not self._may():
            return 401, b"send the token as Authorization: Bearer\n"
        if urlsplit(self.path).path != "/metrics":
            return 404, b"the figures are at /metrics\n"
        return 200, self.server.text().encode()

    def _may(self) -> bool:
        sent = self.headers.get("Authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(sent, f"Bearer {self.server.token}".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: stderr belongs to the benchmark."""


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], text: Callable[[], str], token: str) -> None:
        super().__init__(address, _Handler)
        self.text, self.token = text, token

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away is no trouble of the benchmark's."""


def check_place(place: str, token: str = "") -> None:
    """BadConfig for a place that cannot be had now, or needs a token."""
    _bound(str, place, token).server_close()


@contextmanager
def metrics_endpoint(text: Callable[[], str], place: str, token: str = "") -> Iterator[str]:
    """Serve a text at a port, or HOST:PORT; its URL. BadConfig for a place that cannot be had, or needs a token."""
    server = _bound(text, place, token)
    thread = threading.Thread(target=server.serve_forever, args=(0.5,), daemon=True)
    thread.start()
    try:
        yield f"http://{place.rpartition(':')[0] or LOOPBACK}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(text: Callable[[], str], place: str, token: str) -> _MetricsServer:
    host, port = _address(place)
    if not _is_loopback(host) and not token:
        raise BadConfig(
            f"--metrics-port {place} can be reached by other machines; set a token in {TOKEN}, or leave out the host"
        )
    try:
        return _MetricsServer((host, port), text, token)
    except OSError as e:
        raise BadConfig(f"--metrics-port {place}: {e.strerror or e}; choose another place") from None


def _address(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise BadConfig(f"--metrics-port {quoted(place)} is not a port; give one such as 9464, or HOST:PORT")
    return host.strip("[]") or LOOPBACK, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_own_name(host: str, guarded: bool) -> bool:
    """Whether a Host header names this machine; with a token any name will do."""
    return guarded or _is_loopback(urlsplit(f"//{host}").hostname or "")
