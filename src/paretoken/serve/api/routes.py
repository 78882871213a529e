"""The HTTP API, version 1: its verbs, its description, and an answer to each question."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from paretoken.answers.ask import verb_named
from paretoken.errors import UnknownName
from paretoken.serve.api.openapi import DOCUMENT, ROOT
from paretoken.serve.settings import ServeSettings
from paretoken.serve.workers.job_names import ENVELOPE, SLOW, job_of
from paretoken.serve.workers.lanes import workers_of
from paretoken.serve.workers.leaving import result_for
from paretoken.version import __version__

JSON = "application/json"


def api_routes(settings: ServeSettings) -> list[Route]:
    """The routes of the API."""
    description = ApiDescription()
    return [
        Route(f"{ROOT}/", description.verbs),
        Route(f"{ROOT}/openapi.json", description.openapi),
        Route(f"{ROOT}/{{verb}}", answer, methods=["POST"]),
    ]


async def answer(request: Request) -> Response:
    """The envelope of the question in the body."""
    verb = request.path_params["verb"]
    try:
        verb_named(verb)
    except UnknownName as e:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(e)) from e
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the question as {JSON}")
    job = job_of(verb, await request.body())
    return Response(await result_for(request, ENVELOPE, job, slow=verb in SLOW), media_type=JSON)


class ApiDescription:
    """The OpenAPI document, made once by a worker when it is first wanted."""

    def __init__(self) -> None:
        self._document = b""
        self._making = asyncio.Lock()

    async def openapi(self, request: Request) -> Response:
        """The document."""
        return Response(await self._made(request), media_type=JSON)

    async def verbs(self, request: Request) -> Response:
        """Every verb that answers, its path and what it asks."""
        paths = orjson.loads(await self._made(request))["paths"]
        verbs = [
            {"name": path.rpartition("/")[2], "path": path, "text": methods["post"]["summary"]}
            for path, methods in paths.items()
            if "post" in methods
        ]
        return JSONResponse({"version": __version__, "verbs": verbs})

    async def _made(self, request: Request) -> bytes:
        async with self._making:
            if not self._document:
                self._document = await workers_of(request).run(DOCUMENT, b"")
        return self._document
