"""The plain form: what is written is read again, and every mistake in it is one sentence."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadFile, CannotWrite
from paretoken.sessions.read import read_sessions
from paretoken.sessions.write import plain_session, write_sessions
from tests.sessions.shapes import DATA, random_session

CALL = {"session": "a", "id": "x", "call": {}}


SEEDS = st.integers(0, 2**32)


@settings(deadline=None)
@given(seed=SEEDS)
def test_what_is_written_is_read_again(tmp_path_factory, seed):
    first, second = random_session(seed, "one"), random_session(seed + 1, "ü")
    path = tmp_path_factory.getbasetemp() / "written.jsonl"
    write_sessions(path, [first, second])
    assert read_sessions(path).sessions == (first, second)


@settings(deadline=None)
@given(seed=SEEDS)
def test_steps_of_a_session_may_come_in_any_order(tmp_path_factory, seed):
    """One step a line, shuffled: the same steps, each behind those it waits for."""
    session = random_session(seed)
    whole = plain_session(session)
    lines = [{"session": "s", "block_tokens": session.block_tokens, **step} for step in whole["steps"]]
    for number, line in enumerate(lines):
        line["name"] = str(number)
    random.Random(seed).shuffle(lines)
    path = tmp_path_factory.getbasetemp() / "steps.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (read,) = read_sessions(path).sessions
    number_of = [int(step.name) for step in read.steps]
    assert sorted(number_of) == list(range(len(session.steps)))
    for number, step in zip(number_of, read.steps, strict=True):
        original = session.steps[number]
        assert {number_of[i] for i in step.after} == set(original.after)
        assert (step.wait_s, step.seconds, step.agent) == (original.wait_s, original.seconds, original.agent)
        if original.call is not None and step.call is not None:
            continues = step.call.continues
            assert (number_of[continues] if continues >= 0 else -1) == original.call.continues


def test_files_of_each_form_are_written_as_plain_ones(tmp_path):
    for file in sorted(DATA.iterdir()):
        trace = read_sessions(file)
        write_sessions(tmp_path / "t", trace.sessions)
        assert read_sessions(tmp_path / "t").sessions == trace.sessions


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_sessions(tmp_path / "absent" / "t", [])


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"after": ["y"]}, "session 'a': step 'x' waits for 'y', which is not in the session"),
        ({"after": ["x"]}, "step 'x' waits for itself"),
        ({"call": {"continues": "y"}}, "step 'x' waits for 'y'"),
        ({"wait_s": -1}, "wait_s '-1' is negative; times must be 0 or more"),
        ({"seconds": -0.5}, "seconds '-0.5' is negative"),
        ({"wait_s": 4e6}, "step 'x' waits 4,000,000 s, over a month; check the unit of times"),
        ({"wait_s": "soon"}, "wait_s 'soon' is not a number"),
        ({"id": 1.5}, "id 1.5 is not an id; give a text or a whole number"),
        ({"id": True}, "id True is not an id"),
        ({"after": "x"}, "after 'x' is not a list"),
        ({"after": [None]}, "after None is not an id"),
        ({"wait": 1}, "the field 'wait' is unknown; did you mean 'wait_s'?"),
        ({"call": []}, "call must be an object"),
        ({"call": {"input_tokens": -3}}, "input_tokens '-3' is not a whole number of tokens"),
        ({"call": {"input_tokens": 10**40}}, "is not a whole number of tokens"),
        ({"call": {"tokens": 3}}, "the field 'tokens' is unknown"),
        ({"call": {"blocks": ["a"]}}, "blocks must be a list of whole numbers"),
        (
            {"call": {"messages": [{"role": "wizard"}]}},
            "the role 'wizard' of a message is unknown; known roles: system",
        ),
        ({"call": {"messages": ["hello"]}}, "the message 'hello' is not an object with role and content"),
        ({"call": {"answer": {"content": "x"}}}, "the role None of a message is unknown"),
        ({"call": {"tools": ["f"]}}, "tool 1 is 'f', not an object"),
        ({"name": 3}, "name 3 is not text"),
        ({"session": None}, "the field 'session' is missing"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path, step, says):
    path = tmp_path / "t.jsonl"
    good = {**CALL, "session": "good"}
    path.write_text("".join(json.dumps(row) + "\n" for row in (good, {**CALL, **step})), encoding="utf-8")
    with pytest.raises(BadFile) as caught:
        read_sessions(path)
    assert f"{path}: line 2" in str(caught.value) and says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_message_nested_without_end_is_refused(tmp_path):
    content: object = "x"
    for _ in range(200):
        content = [content]
    path = tmp_path / "t.jsonl"
    path.write_text(
        json.dumps({**CALL, "call": {"messages": [{"role": "user", "content": content}]}}), encoding="utf-8"
    )
    with pytest.raises(BadFile, match="nested more than 30 levels deep"):
        read_sessions(path)
