"""The jobs behind the pages that ask: an answer with its view, and the same as one file."""

from __future__ import annotations

import orjson

from paretoken.answers.ask import Asked, envelope, verb_named
from paretoken.answers.seam import question_from_json
from paretoken.report.asked.page import page_data, render_answer
from paretoken.report.asked.view import AnswerView
from paretoken.report.asked.views import view_of
from paretoken.serve.questions import title_of


def shown(payload: bytes) -> bytes:
    """What the page shows of a verb, a line break and its question."""
    return orjson.dumps(page_data(*_answered(payload)))


def saved(payload: bytes) -> bytes:
    """The file of a verb, a line break and its question."""
    asked, view = _answered(payload)
    return render_answer(asked, view, title_of(asked.verb)).encode()


def _answered(payload: bytes) -> tuple[Asked, AnswerView]:
    verb, _, text = payload.partition(b"\n")
    entry = verb_named(verb.decode())
    question = question_from_json(entry.question, text)
    answer = entry.function(question)
    return envelope(verb.decode(), question, answer), view_of(verb.decode(), answer, question)
