"""The jobs of the workers that answer questions: bytes of JSON in, bytes of JSON out."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import orjson

from paretoken.answers.ask import asked, verb_named
from paretoken.answers.seam import question_from_json, to_json
from paretoken.serve.confine import names_files, require_inside

SLOW = frozenset({"cache-worth", "data-diff", "plan", "predict-trace", "search-disaggregated", "validate"})
"""Verbs whose answers may take minutes."""
ENVELOPE, WARM_UP = f"{__name__}:envelope", f"{__name__}:warm_up"
WARM_QUESTION = b'compare\n{"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0}'


def job_of(verb: str, question: bytes) -> bytes:
    """What `envelope` takes."""
    return verb.encode() + b"\n" + question


def envelope(payload: bytes) -> bytes:
    """The envelope of an answer from within the current folder; its command goes there where it names a file."""
    verb, _, text = payload.partition(b"\n")
    folder = Path.cwd().resolve()
    question = question_from_json(verb_named(verb.decode()).question, text)
    require_inside(question, folder)
    reply = asked(verb.decode(), question)
    if names_files(question, folder):
        reply = replace(reply, command=f"cd {shlex.quote(str(folder))} && {reply.command}")
    return orjson.dumps(to_json(reply))


def warm_up(payload: bytes) -> bytes:
    """Load what most questions need: one of them is asked."""
    envelope(WARM_QUESTION)
    return b""
