"""What every request passes before a route sees it: host, origin, token, size; and what every response carries."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paretoken.access_rules import bearer_is, host_name
from paretoken.errors import quoted
from paretoken.serve.access.headers import HEADERS
from paretoken.serve.settings import ServeSettings
from paretoken.serve.web.problems import opens_page, problem

COOKIE = "paretoken_login"
LOGIN = "/login"
OPEN_PATHS = frozenset({LOGIN, "/healthz"})
"""Answered without a token."""


class Guard:
    """Refuse a request that another page sent, that has no token, or that is too large."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no route takes a WebSocket, and none shall without these checks
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(HTTPConnection(scope))
        if refused is not None:
            await refused(scope, receive, send_guarded)
        else:
            await self._app(scope, _bounded(receive, self._settings.question_bytes), send_guarded)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        """The response of a request that no route sees; None if one does."""
        headers = request.headers
        if not _is_own_host(headers.get("host", ""), self._settings):
            return problem(421, f"the host {quoted(headers.get('host', ''))} is not this server's; see --allow-origin")
        for origin in headers.getlist("origin"):
            if origin not in (f"{request.url.scheme}://{headers['host']}", *self._settings.origins):
                return problem(403, f"the page of {quoted(origin)} may not ask this server; see --allow-origin")
        if "origin" not in headers and _is_of_another_page(request):
            return problem(
                403, "a page of another site may link to this server but not send it requests; open the address itself"
            )
        if _length(headers) > self._settings.question_bytes:
            return problem(413, _too_large(self._settings.question_bytes))
        if self._settings.token is None or request.url.path in OPEN_PATHS or _has_token(request, self._settings.token):
            return None
        if opens_page(request):
            return RedirectResponse(LOGIN, 303)
        return problem(401, "this server needs its token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})


def cookie_of(token: str) -> str:
    """What the login cookie holds: proof of the token, not the token itself."""
    return hmac.new(token.encode(), b"paretoken login", sha256).hexdigest()


def _has_token(request: HTTPConnection, token: str) -> bool:
    by_header = bearer_is(request.headers.get("authorization", ""), token)
    cookie = request.cookies.get(COOKIE, "")
    return by_header or hmac.compare_digest(cookie.encode(), cookie_of(token).encode())


def _is_of_another_page(request: HTTPConnection) -> bool:
    """Whether a browser says that a page of another origin asks, other than by a link that opens a page.

    An image or a frame of another page sends no Origin, and would start a report.
    """
    headers = request.headers
    if headers.get("sec-fetch-site", "none") not in ("cross-site", "same-site"):
        return False
    opens = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (opens and request.scope["method"] == "GET")


def _is_own_host(host: str, settings: ServeSettings) -> bool:
    """Whether a Host header names this server: an IP address, localhost, its own host or that of an origin.

    A page that points its own name at this machine sends that name, which is none of these.
    """
    name = host_name(host)
    return bool(name) and (name in _own_names(settings) or _is_address(name))


def _own_names(settings: ServeSettings) -> Iterator[str]:
    yield from ("localhost", settings.host.lower())
    yield from (urlsplit(origin).hostname or "" for origin in settings.origins)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most_bytes:
            raise HTTPException(413, _too_large(most_bytes))
        return message

    return bounded


def _too_large(most_bytes: int) -> str:
    return f"the body is larger than {most_bytes:,} bytes; send less"
