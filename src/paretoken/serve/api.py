"""The HTTP API, version 1: its verbs, and an answer to each question."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from paretoken.answers.ask import verb_named
from paretoken.answers.registry import VERBS
from paretoken.errors import UnknownName
from paretoken.serve.asking import SLOW
from paretoken.serve.problems import problem
from paretoken.serve.settings import ServeSettings
from paretoken.serve.work import workers_of

ROOT = "/api/v1"


def routes(settings: ServeSettings) -> list[Route]:
    """The routes of the API."""
    return [Route(f"{ROOT}/", verbs), Route(f"{ROOT}/{{verb}}", answer, methods=["POST"])]


async def verbs(request: Request) -> Response:
    """Every verb that answers."""
    return JSONResponse({"verbs": [name for name, verb in VERBS.items() if not verb.writes_files]})


async def answer(request: Request) -> Response:
    """The envelope of the question in the body."""
    verb = request.path_params["verb"]
    try:
        verb_named(verb)
    except UnknownName as e:
        return problem(404, str(e))
    payload = verb.encode() + b"\n" + await request.body()
    result = await workers_of(request).run("paretoken.serve.asking:envelope", payload, slow=verb in SLOW)
    return Response(result, media_type="application/json")
