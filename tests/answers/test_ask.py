"""A question as JSON gets an answer with its origins, sources and the command that repeats it."""

from __future__ import annotations

import shlex
from pathlib import Path

import orjson
import pytest

from paretoken.answers.ask import ask, command_of, envelope_of, given_fields, verb_named
from paretoken.answers.check import CheckAnswer, CheckQuestion
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import to_json
from paretoken.answers.typed_answer import Asking
from paretoken.answers.validate import Scoreboard, ValidateQuestion
from paretoken.errors import BadConfig, UnknownName
from paretoken.points.schema import ORIGINS
from paretoken.serve.examples import EXAMPLES

QUESTION = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat", "e2e_s": 15.0}
COMPUTED_FROM_SOURCES = ("fit", "overview", "rent", "rent-history", "rent-market", "tco")
SLOW = ("advise", "data-diff")
SLOWEST = ("plan", "validate")
"""They take most of a minute. Their sources are those of their questions."""


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_of_the_registry_loads(name):
    verb = VERBS[name]
    assert callable(verb.function) and isinstance(verb.question, type) and verb.answer.__name__


def test_an_answer_says_where_its_figures_come_from():
    reply = ask("compare", orjson.dumps(QUESTION))
    assert reply.answer == to_json(compare(CompareQuestion(**QUESTION)))
    assert reply.origins == ("published",) and reply.sources[0].startswith("inferencex-")
    assert reply.question == QUESTION


@pytest.mark.parametrize(
    "verb", [pytest.param(v, marks=[pytest.mark.slow] if v in SLOW else []) for v in EXAMPLES if v not in SLOWEST]
)
def test_every_answer_has_sources_and_only_true_origins(verb):
    reply = ask(verb, EXAMPLES[verb])
    origins = {*ORIGINS, "scenario"}
    assert reply.sources and all(reply.sources) and not origins & {*reply.sources}
    assert origins.issuperset(reply.origins)
    assert reply.origins or verb in COMPUTED_FROM_SOURCES


def test_a_break_even_rent_names_its_publishers_and_the_market():
    question = {k: v for k, v in EXAMPLES["breakeven"].items() if k != "rent_usd"} | {"market": True}
    points, prices = ask("breakeven", question).sources
    assert points.startswith("bundle shipped: ") and "inferencex-2026-07" in points
    assert prices.startswith("rental prices shipped")


def test_a_check_is_read_from_its_runs():
    question = CheckQuestion(runs=(Path("new"),), baselines=(Path("old"),))
    assert envelope_of("check", question, CheckAnswer()).sources == ("new", "old")


def test_a_validation_reads_its_own_points_alone():
    own, all_points = ValidateQuestion(points=(Path("own.csv"),)), ValidateQuestion()
    scores = Scoreboard(scores=[], groups=[], intervals=[], ranks={}, worst=[], noise={}, pools=[], pool_cells=[])
    assert envelope_of("validate", own, scores).sources == ("own.csv",)
    assert envelope_of("validate", all_points, scores).sources[0].startswith("bundle shipped: ")


def test_an_outlook_is_a_scenario_from_published_points():
    reply = ask("outlook", EXAMPLES["outlook"])
    assert reply.origins == ("published", "scenario")
    assert {*reply.sources} == {"inferencex-runs-dsr1", "atom-nightly"}


def test_a_function_that_is_no_verb_has_no_command():
    with pytest.raises(BadConfig, match="mine:rank is not a question"):
        _ = Asking("mine:rank", CompareQuestion(**QUESTION)).verb


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
