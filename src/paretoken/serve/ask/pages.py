"""The pages on which one asks: a form for every question, its answer, and the answer as a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from paretoken.answers.ask import verb_named
from paretoken.errors import ParetokenError, UnknownName
from paretoken.report.page import MOST_PLOTS
from paretoken.serve.ask.form import field_of, form_of, in_labels
from paretoken.serve.ask.questions import FIRST_QUESTIONS, MAIN, OTHERS, other_questions, title_of
from paretoken.serve.settings import ServeSettings
from paretoken.serve.web.frame import asset_mounts, framed
from paretoken.serve.web.problems import problem, status_of
from paretoken.serve.workers.job_names import SAVED, SHOWN, SLOW, job_of
from paretoken.serve.workers.leaving import result_for

FIRST = "compare"
Endpoint = Callable[[Request], Awaitable[Response]]


def ask_routes(settings: ServeSettings) -> list[BaseRoute]:
    """The pages, the answers that they show, and what they load."""
    return [
        Route("/", page),
        Route("/ask/{verb}", page),
        Route("/ask/{verb}", _answering(SHOWN, "application/json"), methods=["POST"]),
        Route("/ask/{verb}/file", _answering(SAVED, "text/html"), methods=["POST"]),
        *asset_mounts(),
    ]


async def page(request: Request) -> Response:
    """The form of a verb with its first question; its script asks for the answer."""
    verb = request.path_params.get("verb", FIRST)
    try:
        form = form_of(verb)
    except UnknownName as e:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(e)) from e
    content = {
        "form": form,
        "example": orjson.dumps(FIRST_QUESTIONS.get(verb, {})).decode(),
        "asks": verb in FIRST_QUESTIONS and verb not in SLOW,
        "main_questions": tuple(MAIN.items()),
        "other_questions": other_questions(),
        "other_title": OTHERS.get(verb),
        "most_plots": MOST_PLOTS,
    }
    return framed("ask.html.j2", content, section="ask", title=title_of(verb))


def _answering(job: str, media_type: str) -> Endpoint:
    async def answer(request: Request) -> Response:
        """The result of the job for the question in the body; a problem names the field that is wrong."""
        verb = request.path_params["verb"]
        try:
            verb_named(verb)
        except UnknownName as e:
            return problem(HTTPStatus.NOT_FOUND, str(e))
        payload = job_of(verb, await request.body())
        try:
            result = await result_for(request, job, payload, slow=verb in SLOW)
        except ParetokenError as e:
            return _refused(verb, e)
        return Response(result, media_type=media_type)

    return answer


def _refused(verb: str, error: ParetokenError) -> Response:
    """The problem of a question, in the words of its form; `field` is the one that it names, "" for none."""
    form, sentence = form_of(verb), str(error)
    field = field_of(sentence, list(dict.fromkeys(f.name.partition(".")[0] for f in form.fields)))
    return problem(status_of(error), in_labels(sentence, form), field=field)
