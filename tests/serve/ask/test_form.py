"""The form of a question: made from its schema; an error is shown at the field that its sentence names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.answers.ask import ask
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import json_schema
from paretoken.errors import ParetokenError, UnknownName
from paretoken.serve.ask.form import field_of, form_of, in_labels
from paretoken.serve.ask.form_made import NOT_HERE, made_form
from paretoken.serve.ask.questions import FIRST_QUESTIONS, MAIN, OTHERS

ASKING = [name for name, verb in VERBS.items() if not verb.writes_files]
POINTS = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat"}


def fields(verb):
    form = form_of(verb)
    return {f.name: f for f in (*form.common, *form.more, *(f for _, part in form.parts for f in part))}


@pytest.mark.parametrize("verb", ASKING)
def test_every_question_has_a_form_with_all_its_fields(verb):
    schema, form = json_schema(VERBS[verb].question), form_of(verb)
    names = {name.partition(".")[0] for name in fields(verb)}
    assert names == set(schema["properties"]) - set(NOT_HERE)
    assert set(schema.get("required", ())) <= {f.name for f in form.common}
    assert all(f.label and "_" not in f.label for f in fields(verb).values())
    assert set(FIRST_QUESTIONS.get(verb, {})) <= names
    assert form == made_form(verb), "run tools/schemas.py"


def test_every_verb_has_a_name():
    assert set(MAIN) | set(OTHERS) == set(ASKING)


def test_a_field_says_what_its_schema_says():
    of = fields("compare")
    assert [value for value, _ in of["serving"].choices] == ["single-node", "any"]
    assert ("H200", "H200 SXM") in of["accelerators"].choices
    assert of["model"].choices[0] == ("llama-3-70b", "Llama 3.1/3.3 70B")
    assert (of["e2e_s"].label, of["e2e_s"].unit, of["e2e_s"].kind) == ("End-to-end latency", "s", "number")
    assert of["serving_load"].bounds == "above 0, at most 1"
    assert (of["published"].kind, of["published"].default) == ("flag", "true")
    assert of["price_usd_per_gpu_h"].kind == "pairs"
    assert fields("predict")["settings.max_num_seqs"].kind == "integer"


def test_a_check_offers_what_its_error_advises():
    sentence = "the runs are not comparable: isl differs; add 'force': true to compare them anyway"
    assert field_of(sentence, list(fields("check"))) == "force"
    assert fields("check")["force"].kind == "flag"


def test_a_form_of_no_verb_is_refused():
    with pytest.raises(UnknownName):
        form_of("compar")


WRONG = [
    ("compare", {**POINTS, "e2e_s": -1}, "e2e_s"),
    ("compare", {**POINTS, "e2e_s": "soon"}, "e2e_s"),
    ("compare", POINTS, "e2e_s"),
    ("compare", {**POINTS, "interactivity": 0}, "interactivity"),
    ("compare", {"e2e_s": 15}, "model"),
    ("compare", {**POINTS, "precision": "fp9", "e2e_s": 15}, "precision"),
    ("compare", {"model": "deepseek-r1", "precision": "fp8", "e2e_s": 15}, "isl"),
    ("compare", {**POINTS, "e2e_s": 15, "tier": "cheap"}, "tier"),
    ("compare", {**POINTS, "e2e_s": 15, "price_usd_per_gpu_h": {"H100": -1}}, "price_usd_per_gpu_h"),
    ("compare", {**POINTS, "e2e_s": 15, "serving_load": 2}, "serving_load"),
    ("breakeven", {**POINTS, "accelerator": "MI355X", "against": "B200"}, "rent_usd"),
    ("predict", {"model": "llama-3-70b", "accelerator": "H201", "engine": "vllm", "isl": 1, "osl": 1}, "accelerator"),
    ("rent", {}, "accelerator"),
]


@pytest.mark.parametrize(("verb", "question", "field"), WRONG)
def test_an_error_is_shown_at_its_field(verb, question, field):
    with pytest.raises(ParetokenError) as refused:
        ask(verb, question)
    assert field_of(str(refused.value), list(json_schema(VERBS[verb].question)["properties"])) == field


@given(st.text(max_size=200), st.lists(st.sampled_from(["model", "e2e_s", "at", "slo"]), unique=True))
def test_a_field_of_an_error_is_one_of_the_form(sentence, names):
    assert field_of(sentence, names) in {"", *names} or "Question: " in sentence or "key '" in sentence


def test_a_form_shows_its_labels_for_the_keys_of_an_error():
    sentence = "choose one with 'precision', or add 'suspicious': true; 'nothing' stays"
    assert (
        in_labels(sentence, form_of("compare"))
        == "choose one with “Precision”, or add “Suspicious” true; 'nothing' stays"
    )
    assert in_labels("lower 'settings.max_num_seqs'", form_of("predict")).startswith("lower “Max")
