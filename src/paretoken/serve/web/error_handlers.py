"""What a request gets whose route fails: a page where a browser opens it, else problem details."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from paretoken.errors import ParetokenError, quoted
from paretoken.serve.access.headers import HEADERS
from paretoken.serve.api.openapi import ROOT
from paretoken.serve.web.frame import problem_page
from paretoken.serve.web.problems import opens_page, problem, status_of


async def of_http(request: Request, error: Exception) -> Response:
    """The response to an HTTPException: an unknown path, a wrong method, a body that is too large."""
    if not isinstance(error, HTTPException):
        raise error
    unknown = error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase
    detail = f"there is nothing at {quoted(request.url.path)}; start at /" if unknown else error.detail
    return _response(request, error.status_code, detail, dict(error.headers or {}))


async def of_user(request: Request, error: Exception) -> Response:
    """The response to a mistake that the user can correct."""
    return _response(request, status_of(error), str(error))


async def of_program(request: Request, error: Exception) -> Response:
    """The response to a defect: no traceback leaves the server."""
    detail = "the server failed; its standard error says where"
    return _response(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail, HEADERS)


HANDLERS = {HTTPException: of_http, ParetokenError: of_user, Exception: of_program}


def _response(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    if opens_page(request) and not request.url.path.startswith(f"{ROOT}/"):
        return problem_page(status, detail, headers)
    return problem(status, detail, headers)
