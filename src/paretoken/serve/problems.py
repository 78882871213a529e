"""Errors over HTTP: problem details of RFC 9457, each with one sentence."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from paretoken.errors import NoData, ParetokenError
from paretoken.serve.headers import HEADERS

PROBLEM_JSON = "application/problem+json"


def problem(status: int, detail: str, headers: dict[str, str] | None = None, *, field: str | None = None) -> Response:
    """A response that says in one sentence what is wrong, and for a form in which `field`, "" for none."""
    body: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body |= {"detail": detail} if field is None else {"detail": detail, "field": field}
    return Response(orjson.dumps(body), status, headers, media_type=PROBLEM_JSON)


async def of_http(request: Request, error: Exception) -> Response:
    """The problem of an HTTPException: an unknown path, a wrong method, a body that is too large."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, error.detail, dict(error.headers or {}))


def of_error(error: Exception, field: str | None = None) -> Response:
    """The problem of a mistake that the user can mend."""
    no_data = isinstance(error, NoData)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY if no_data else HTTPStatus.BAD_REQUEST, str(error), field=field)


async def of_user(request: Request, error: Exception) -> Response:
    """The same, for any route."""
    return of_error(error)


async def of_program(request: Request, error: Exception) -> Response:
    """The problem of a defect: no traceback leaves the server."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its standard error says where", HEADERS)


HANDLERS = {HTTPException: of_http, ParetokenError: of_user, Exception: of_program}
