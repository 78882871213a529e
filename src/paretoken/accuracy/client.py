"""JSON over HTTP to one server: a key that is never shown, errors as one sentence."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Timer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from paretoken.errors import BadConfig, EndpointFailed
from paretoken.foreign_text import MOST_READ, PART_OF_SECRET, one_line

Json: TypeAlias = Any
"""What a stranger's server or file holds; it is checked where it is read."""
TIMEOUT_S = 300.0
LARGEST_BYTES = 64_000_000


class Refused(EndpointFailed):
    """The server answered with an error status; `status` is it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one server; `root` is its URL without `/v1`. `key` goes into the Authorization header alone."""

    root: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S

    @classmethod
    def at(cls, url: str, key: str | None = None, timeout_s: float = TIMEOUT_S) -> Client:
        """A client for a URL with or without scheme and `/v1`; BadConfig if it names no host."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            _ = parts.port
        except ValueError as e:
            raise BadConfig(f"{url!r} is not a server URL ({e}); write it like http://127.0.0.1:8000/v1") from e
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadConfig(f"{url!r} is not a server URL; write it like http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise BadConfig("the URL must not contain an API key; set PARETOKEN_API_KEY or use --api-key-file")
        path = parts.path.rstrip("/").removesuffix("/v1")
        return cls(f"{parts.scheme}://{parts.netloc}{path}", key, timeout_s)

    def get(self, path: str) -> Json:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Json:
        """The JSON answer; Refused on an error status, EndpointFailed without a usable answer."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Json:
        try:
            status, data = self._exchange(method, path, body)
        except (OSError, http.client.HTTPException) as e:
            what = "timed out" if isinstance(e, TimeoutError) else one_line(str(e), self._secret) or type(e).__name__
            raise EndpointFailed(f"{self.root} stopped answering at {path} ({what}); check that it still runs") from e
        if not 200 <= status < 300:
            message = one_line(data[:MOST_READ].decode("utf-8", "replace"), self._secret)
            raise Refused(f"{self.root}{path} returned status {status}: {message}", status)
        try:
            return json.loads(_without(self._secret, data.decode("utf-8", "replace")))
        except (ValueError, RecursionError) as e:
            raise EndpointFailed(f"{self.root}{path} returned a body that is not JSON") from e

    @property
    def _secret(self) -> str:
        return self.key or ""

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """One request on a connection of its own: another round trip is short beside a model's answer."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        parts = urlsplit(self.root)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        with closing(kind(parts.netloc, timeout=self.timeout_s)) as connection:
            connection.connect()
            with _within(self.timeout_s, connection.sock):
                connection.request(method, parts.path + path, body=body, headers=headers)
                with connection.getresponse() as answer:
                    data = answer.read(LARGEST_BYTES + 1)
            if len(data) > LARGEST_BYTES:
                raise http.client.HTTPException(f"more than {LARGEST_BYTES // 1_000_000} MB")
            return answer.status, data


@contextmanager
def _within(timeout_s: float, connection: socket.socket) -> Iterator[None]:
    """TimeoutError where what is inside takes longer, however steadily the server drips."""
    late = Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def _without(key: str, text: str) -> str:
    """The text of an answer without the key, as it is or escaped as JSON, where a server echoes it."""
    if len(key) < PART_OF_SECRET:
        return text
    for form in (key, json.dumps(key)[1:-1]):
        text = text.replace(form, "***")
    return text
