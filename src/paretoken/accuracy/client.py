"""JSON over HTTP to one server: a key that is never shown, errors as one sentence."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from paretoken.errors import BadConfig, EndpointFailed
from paretoken.foreign_http import FAILURES, Redirected, SmallRequests
from paretoken.foreign_text import PART_OF_SECRET, one_line
from paretoken.secret_names import is_secret

Json: TypeAlias = Any
"""What a stranger's server or file holds; it is checked where it is read."""
TIMEOUT_S = 300.0
_TAILS = ("/chat/completions", "/completions", "/models")
LARGEST_BYTES = 64_000_000


class Refused(EndpointFailed):
    """The server answered with an error status, or with what is no JSON; `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one server; `root` is its URL without `api`, the path of its OpenAI API.

    `key` goes into the Authorization header alone; the values of `headers` are as secret.
    """

    root: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    api: str = "/v1"

    @classmethod
    def at(
        cls,
        url: str,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """A client for a URL with or without scheme, `/v1` and the path of an endpoint; BadConfig without a host."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            _ = parts.port
        except ValueError as e:
            raise BadConfig(f"{url!r} is not a server URL ({e}); write it like http://127.0.0.1:8000/v1") from e
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadConfig(f"{url!r} is not a server URL; write it like http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise BadConfig("the URL must not contain an API key; set PARETOKEN_API_KEY or use --api-key-file")
        path = parts.path.rstrip("/")
        for tail in _TAILS:
            if path.endswith(tail):
                path = path.removesuffix(tail)
                break
        return cls(f"{parts.scheme}://{parts.netloc}{path.removesuffix('/v1')}", key, timeout_s, headers or {})

    @property
    def has_key(self) -> bool:
        """Whether requests hold a key, in whatever header."""
        return bool(self.key) or any(map(is_secret, self.headers))

    def get(self, path: str) -> Json:
        return self._ask(path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Json:
        """The JSON answer; Refused on an error status, EndpointFailed without a usable answer."""
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None) -> Json:
        """One request on a connection of its own: another round trip is short beside a model's answer."""
        bearer = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers = {"Accept": "application/json"} | bearer | dict(self.headers)
        requests = SmallRequests(headers=headers, timeout_s=self.timeout_s, most_bytes=LARGEST_BYTES + 1)
        url = self.root + path
        try:
            answer = requests.get(url) if body is None else requests.post(url, body)
            if len(answer.body) > LARGEST_BYTES:
                raise http.client.HTTPException(f"more than {LARGEST_BYTES // 1_000_000} MB")
        except Redirected as e:
            raise Refused(f"{url} returned status {e.status}, a redirect to {e.shown}; use that URL", e.status) from e
        except FAILURES as e:
            what = "timed out" if isinstance(e, TimeoutError) else one_line(str(e), self._secret) or type(e).__name__
            raise EndpointFailed(f"{self.root} stopped answering at {path} ({what}); check that it still runs") from e
        if not 200 <= answer.status < 300:
            raise Refused(f"{url} returned status {answer.status}: {answer.words()}", answer.status)
        try:
            text = answer.body.decode("utf-8", "replace")
            for secret in self._secret.splitlines():
                text = _without(secret, text)
            return json.loads(text)
        except (ValueError, RecursionError) as e:
            what = "a web page, perhaps a login" if answer.is_page else "a body that is not JSON"
            raise Refused(f"{url} returned {what}", answer.status) from e

    @property
    def _secret(self) -> str:
        own = [value for name, value in self.headers.items() if is_secret(name)]
        return "\n".join([*([self.key] if self.key else []), *own])


def _without(key: str, text: str) -> str:
    """The text of an answer without the key, as it is or escaped as JSON, where a server echoes it."""
    if len(key) < PART_OF_SECRET:
        return text
    for form in (key, json.dumps(key)[1:-1]):
        text = text.replace(form, "***")
    return text
