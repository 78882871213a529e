"""The `/metrics` of a running benchmark: a page that a Prometheus server collects.

It is bound to this machine. Beyond it, it needs a token, which a Prometheus server sends as `authorization`. A browser
is refused: a page of another site could otherwise read it under a name of its own.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from paretoken.access_rules import bearer_is, host_name, is_loopback_host, short_token
from paretoken.errors import BadConfig, quoted
from paretoken.exposition import TEXT_FORMAT

LOOPBACK = "127.0.0.1"
TOKEN = "PARETOKEN_METRICS_TOKEN"  # noqa: S105 - the name of a variable
SLOWEST_S = 5.0
MOST_AT_ONCE = 16
"""Connections that are answered at a time; one more is closed at once, whatever it would send."""


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
        token = self.server.token
        # With a token, any name will do: a page of another site does not have it.
        if "Origin" in self.headers or not (token or is_loopback_host(host_name(self.headers.get("Host", "")))):
            return 403, b"not for pages of other sites\n"
        if token and not bearer_is(self.headers.get("Authorization", ""), token):
            return 401, b"send the token as Authorization: Bearer\n"
        if self.path.partition("?")[0] != "/metrics":
            return 404, b"the figures are at /metrics\n"
        return 200, self.server.text().encode()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: stderr belongs to the benchmark."""


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4 * MOST_AT_ONCE

    def __init__(self, address: tuple[str, int], text: Callable[[], str], token: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.text, self.token = text, token
        self._places = threading.Semaphore(MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

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
    if not is_loopback_host(host) and not token:
        raise BadConfig(
            f"--metrics-port {place} can be reached by other machines; set a token in {TOKEN}, or leave out the host"
        )
    if token and (short := short_token(token)):
        raise BadConfig(f"{TOKEN} for --metrics-port: {short}")
    try:
        return _MetricsServer((host, port), text, token)
    except OSError as e:
        raise BadConfig(f"--metrics-port {place}: {e.strerror or e}; choose another place") from None


def _address(place: str) -> tuple[str, int]:
    """The host, without the brackets of an IPv6 address, and the port."""
    host, _, port = place.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if ":" in bare and bare == host:
        raise BadConfig(f"--metrics-port {quoted(place)}: put the IPv6 address in brackets, such as [::1]:9464")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise BadConfig(f"--metrics-port {quoted(place)} is not a port; give one such as 9464, or HOST:PORT")
    return bare or LOOPBACK, int(port)
