"""JSON over HTTP to one server: a key that is never shown, errors as one sentence."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from paretoken.errors import BadConfig, EndpointFailed

Json: TypeAlias = Any
"""What a stranger's server or file holds; it is checked where it is read."""
TIMEOUT_S = 300.0
_LARGEST_BYTES = 200_000_000


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
        parts = urlsplit(url if "://" in url else f"http://{url}")
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
            what = "timed out" if isinstance(e, TimeoutError) else str(e) or type(e).__name__
            raise EndpointFailed(f"{self.root} stopped answering at {path} ({what}); check that it still runs") from e
        if status >= 400:
            message = " ".join(data[:300].decode("utf-8", "replace").split())
            raise Refused(f"{self.root}{path} returned status {status}: {message}", status)
        try:
            return json.loads(data)
        except ValueError as e:
            raise EndpointFailed(f"{self.root}{path} returned a body that is not JSON") from e

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """One request on a connection of its own: another round trip is short beside a model's answer."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        parts = urlsplit(self.root)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        with closing(kind(parts.netloc, timeout=self.timeout_s)) as connection:
            connection.request(method, parts.path + path, body=body, headers=headers)
            with connection.getresponse() as answer:
                return answer.status, answer.read(_LARGEST_BYTES)
