"""The login of a browser: the token once, then a cookie that only this server reads."""

from __future__ import annotations

import hmac
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from paretoken.serve.access.guard import COOKIE, LOGIN, cookie_of
from paretoken.serve.settings import ServeSettings

_WEEK_S = 7 * 86_400
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Log in - paretoken</title></head>
<body>
<main>
<h1>paretoken</h1>
<form method="post" action="{login}">
<p><label for="token">Token of this server</label></p>
<p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p role="alert">{note}</p>
<p><button>Log in</button></p>
</form>
</main>
</body>
</html>
"""


def login_routes(settings: ServeSettings) -> list[Route]:
    """The login, where the server has a token."""
    token = settings.token
    if token is None:
        return []

    async def form(request: Request) -> Response:
        return _form(HTTPStatus.OK, "")

    async def log_in(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
        if not hmac.compare_digest("".join(fields.get("token", [])).strip().encode(), token.encode()):
            return _form(HTTPStatus.UNAUTHORIZED, "This is not the token. The file of --token-file holds it.")
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        over_tls = request.headers.get("origin", "").startswith("https:")
        response.set_cookie(COOKIE, cookie_of(token), _WEEK_S, httponly=True, samesite="strict", secure=over_tls)
        return response

    return [Route(LOGIN, form), Route(LOGIN, log_in, methods=["POST"])]


def _form(status: HTTPStatus, note: str) -> Response:
    return HTMLResponse(_PAGE.format(login=LOGIN, note=escape(note)), status)
