"""The page of sessions: its examples are read, and it names every form and every field."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from paretoken.sessions.forms.plain import CALL_FIELDS, SESSION_FIELDS, STEP_FIELDS
from paretoken.sessions.graph import Call, Session, Step
from paretoken.sessions.read import FORMS, read_sessions

PAGE = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("example", "steps"), list(zip(EXAMPLES, (5, 2), strict=True)))
def test_examples_are_read(tmp_path, example, steps):
    path = tmp_path / "example.jsonl"
    path.write_text(example, encoding="utf-8")
    trace = read_sessions(path)
    assert trace.form == "plain sessions" and len(trace.sessions[0].steps) == steps


def test_every_form_and_every_field_is_named():
    assert not [form.NAME for form in FORMS if f"| {form.NAME} |" not in PAGE]
    assert not [name for name in (*SESSION_FIELDS, *STEP_FIELDS, *CALL_FIELDS) if f"`{name}`" not in PAGE]


def test_the_form_has_every_field_of_the_graph():
    assert {f.name for f in fields(Call)} == set(CALL_FIELDS)
    assert {f.name for f in fields(Step)} == set(STEP_FIELDS) - {"id"}
    assert {f.name for f in fields(Session)} - {"name"} == set(SESSION_FIELDS) - {"session"}
