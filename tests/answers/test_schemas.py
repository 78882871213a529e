"""Questions from JSON, answers to JSON, and the published schemas of both."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from paretoken.answers.breakeven import BreakevenQuestion, breakeven
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.registry import VERBS
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.errors import BadConfig

ROOT = Path(__file__).parents[2]
CHAT = {"model": "llama-3-70b", "precision": "fp8", "workload": "chat"}


@pytest.mark.parametrize("name", VERBS)
def test_published_schemas_are_current(name, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    from schemas import FOLDER, schema_text

    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == schema_text(VERBS[name]), "run tools/schemas.py"


def test_no_schema_is_left_of_a_verb_that_is_gone():
    assert {p.stem for p in (ROOT / "docs" / "schemas").iterdir()} == set(VERBS)


def test_a_question_survives_json():
    question = BreakevenQuestion(
        **CHAT, accelerator="MI300X", against="H200", market=True, terms=("on-demand",), points=(Path("a"),)
    )
    assert question_from_json(BreakevenQuestion, json.dumps(to_json(question))) == question


def test_a_question_from_json_gives_the_answer_of_one_from_python():
    made = question_from_json(CompareQuestion, {**CHAT, "e2e_s": 15})
    assert to_json(compare(made)) == to_json(compare(CompareQuestion(**CHAT, e2e_s=15)))


def test_answers_are_plain_values():
    answer = breakeven(BreakevenQuestion(**CHAT, accelerator="MI300X", against="H200", rent_usd=2.5))
    plain = to_json(answer)
    assert json.loads(json.dumps(plain)) == plain and plain["points"][0]["accelerator"] == "MI300X"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"modell": "x"}, "did you mean 'model'"),
        ({"isl": 0}, "isl = 0"),
        ({"serving": "all"}, "serving = 'all'"),
        ({"serving_load": 2}, "serving_load = 2"),
    ],
)
def test_a_wrong_key_or_value_is_named(change, says):
    with pytest.raises(BadConfig, match=says):
        question_from_json(CompareQuestion, {**CHAT, "e2e_s": 15, **change})


@pytest.mark.parametrize("name", VERBS)
def test_no_field_of_a_question_speaks_of_none(name):
    """Web forms show these descriptions, and a form has no None."""
    schema = json_schema(VERBS[name].question)
    records = [schema, *schema.get("$defs", {}).values()]
    texts = [f.get("description", "") for record in records for f in record.get("properties", {}).values()]
    assert texts and not [text for text in texts if "None" in text]
