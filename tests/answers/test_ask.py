"""A question as JSON gets an answer with its origins, sources and the command that repeats it."""

from __future__ import annotations

import shlex

import orjson
import pytest

from paretoken.answers.ask import ask, command_of, given_fields, verb_named
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import to_json
from paretoken.errors import BadConfig, UnknownName

QUESTION = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0}


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_of_the_registry_loads(name):
    verb = VERBS[name]
    assert callable(verb.function) and isinstance(verb.question, type) and verb.answer.__name__


def test_an_answer_says_where_its_figures_come_from():
    reply = ask("compare", orjson.dumps(QUESTION))
    assert reply.answer == to_json(compare(CompareQuestion(**QUESTION)))
    assert reply.origins == ("published",) and reply.sources[0].startswith("inferencex-")
    assert reply.question == QUESTION


def test_the_command_asks_the_same_again():
    words = shlex.split(command_of("compare", CompareQuestion(**QUESTION)))
    assert words[:3] == ["paretoken", "ask", "compare"] and orjson.loads(words[3]) == QUESTION


def test_given_fields_leave_out_defaults():
    assert given_fields(CompareQuestion(**QUESTION, serving_load=1.0)) == QUESTION


def test_what_cannot_be_asked_is_one_error():
    with pytest.raises(UnknownName, match="did you mean compare"):
        ask("compar", QUESTION)
    with pytest.raises(UnknownName, match="study"):
        verb_named("study")
    with pytest.raises(BadConfig, match="unknown key 'modell'; did you mean 'model'"):
        ask("compare", QUESTION | {"modell": "llama-3-70b"})
