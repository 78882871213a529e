"""Every verb takes a question or its fields, and is in the flat API."""

from __future__ import annotations

import shlex

import pytest

import paretoken
from paretoken.answers.ask import ask
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.points import Data
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import to_json
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import BadConfig

CHAT = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15}
WITHOUT_TABLE = {"study", "validate"}
"""A folder of files, and a scoreboard of several tables."""


@pytest.fixture(scope="module")
def answer():
    return compare(CompareQuestion(**CHAT))


@pytest.mark.parametrize("name", VERBS)
def test_the_flat_api_has_every_verb(name):
    public = {getattr(paretoken, n) for n in paretoken.__all__ if callable(getattr(paretoken, n))}
    assert {VERBS[name].function, VERBS[name].question, VERBS[name].answer} <= public


@pytest.mark.parametrize("name", [n for n, verb in VERBS.items() if not verb.writes_files])
def test_every_verb_takes_fields(name):
    with pytest.raises(BadConfig, match=f"{VERBS[name].question.__name__}: unknown key 'no_such_field'"):
        VERBS[name].function(no_such_field=1)


@pytest.mark.parametrize("name", [n for n in VERBS if n not in WITHOUT_TABLE])
def test_every_answer_has_a_table(name):
    answer = VERBS[name].answer
    assert issubclass(answer, TypedAnswer)
    assert hasattr(answer, "TABLE") or answer.rows_of_table is not TypedAnswer.rows_of_table
    if hasattr(answer, "TABLE"):
        assert answer.TABLE in answer.__dataclass_fields__


def test_fields_give_the_answer_of_their_question(answer):
    assert to_json(paretoken.compare(**CHAT)) == to_json(answer)


def test_a_list_is_taken_for_a_tuple(answer):
    of_one = paretoken.compare(**CHAT, accelerators=["H200"])
    assert [c.accelerator for c in of_one.candidates] == ["H200"] != [c.accelerator for c in answer.candidates]


def test_a_wrong_field_is_one_sentence():
    with pytest.raises(BadConfig, match="unknown key 'modell'; did you mean 'model'"):
        paretoken.compare(modell="llama-3-70b")


def test_the_command_of_an_answer_gives_it_again(answer):
    paretoken_, ask_, verb, question = shlex.split(answer.command)
    assert (paretoken_, ask_) == ("paretoken", "ask") and ask(verb, question).answer == to_json(answer)


def test_an_answer_of_other_data_has_no_command():
    question = CompareQuestion(**CHAT)
    with pytest.raises(BadConfig, match="no command repeats this answer"):
        _ = compare(question, Data.of(question)).command
