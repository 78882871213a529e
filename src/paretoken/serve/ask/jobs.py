"""The jobs of the workers that answer questions: bytes of JSON in, bytes of JSON out."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import orjson

from paretoken.answers.ask import Envelope, answer_of, envelope_of, verb_named
from paretoken.answers.seam import Question, question_from_json, to_json
from paretoken.report.asked.page import page_data, render_answer
from paretoken.report.asked.view import AnswerView
from paretoken.report.asked.views import view_of
from paretoken.serve.access.bounds import bounded
from paretoken.serve.access.confine import names_files, require_inside
from paretoken.serve.ask.questions import title_of

WARM_QUESTION = b'compare\n{"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0}'


def envelope(payload: bytes) -> bytes:
    """The envelope of an answer from within the current folder."""
    return orjson.dumps(to_json(_answered(payload)[0]))


def shown(payload: bytes) -> bytes:
    """The same with what a page shows of it."""
    return orjson.dumps(page_data(*_viewed(payload)))


def saved(payload: bytes) -> bytes:
    """The answer as one HTML file."""
    reply, view = _viewed(payload)
    return render_answer(reply, view, title_of(reply.verb)).encode()


def load(payload: bytes) -> bytes:
    """Load the code of a question; that of most others is the same."""
    verb, _, _ = WARM_QUESTION.partition(b"\n")
    _ = verb_named(verb.decode()).function
    return b""


def answer_one(payload: bytes) -> bytes:
    """Load the catalog and the points, by answering a question."""
    shown(WARM_QUESTION)
    return b""


def _viewed(payload: bytes) -> tuple[Envelope, AnswerView]:
    reply, answer, question = _answered(payload)
    return reply, view_of(reply.verb, answer, question)


def _answered(payload: bytes) -> tuple[Envelope, object, Question]:
    """The answer of a question about nothing outside the current folder; its command goes there if it names a file."""
    verb, _, text = payload.partition(b"\n")
    folder, entry = Path.cwd().resolve(), verb_named(verb.decode())
    question = question_from_json(entry.question, text)
    require_inside(question, folder)
    question = bounded(question)
    answer = answer_of(entry, question)
    reply = envelope_of(verb.decode(), question, answer)
    if names_files(question, folder):
        reply = replace(reply, command=f"cd {shlex.quote(str(folder))} && {reply.command}")
    return reply, answer, question
