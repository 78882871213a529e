"""Lengths of recorded sessions that no prompt can have are noted with counts."""

from __future__ import annotations

from paretoken.bench.config import BenchConfig
from paretoken.bench.session_trace import session_notes
from paretoken.sessions.graph import Call, Session, SessionTrace, Step


def test_empty_answers_and_prompts_shorter_than_their_context_are_counted():
    steps = (
        Step(call=Call(input_tokens=1000, output_tokens=100)),
        Step(after=(0,), call=Call(input_tokens=500, output_tokens=0, continues=0)),
        Step(after=(0,), call=Call(input_tokens=500, output_tokens=5, continues=0, kept_tokens=400)),
        Step(after=(0,), call=Call(input_tokens=1100, output_tokens=5, continues=0)),
    )
    trace = SessionTrace(file="t.jsonl", form="plain", rule="s", sessions=(Session(name="a", steps=steps),))
    notes = session_notes(BenchConfig(urls=("http://127.0.0.1:1",)), trace, repeats=False)
    assert "t.jsonl: 1 call with 0 output tokens: 1 is asked for" in notes
    assert (
        sum("1 prompt shorter than the prompt and answer of the call that it continues" in note for note in notes) == 1
    )
