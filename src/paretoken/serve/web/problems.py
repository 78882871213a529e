"""Errors over HTTP: problem details of RFC 9457, each with one sentence."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response

from paretoken.errors import NoData

PROBLEM_JSON = "application/problem+json"


def problem(status: int, detail: str, headers: dict[str, str] | None = None, *, field: str | None = None) -> Response:
    """A response that says in one sentence what is wrong, and for a form in which `field`, "" for none."""
    body: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body |= {"detail": detail} if field is None else {"detail": detail, "field": field}
    return Response(orjson.dumps(body), status, headers, media_type=PROBLEM_JSON)


def status_of(error: Exception) -> HTTPStatus:
    """422 where no data answers, else 400."""
    return HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(error, NoData) else HTTPStatus.BAD_REQUEST


def opens_page(request: HTTPConnection) -> bool:
    """Whether a browser opens an address, rather than a program that reads it."""
    return "text/html" in request.headers.get("accept", "") and request.scope["method"] == "GET"
