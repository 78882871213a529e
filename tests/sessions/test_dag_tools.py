"""A fork goes on with its parent's prompt, whose beginning holds the parent's tools; a spawn begins anew."""

from __future__ import annotations

from pathlib import Path

from paretoken.sessions.read import read_sessions

DAG = Path(__file__).parent / "data" / "dag.jsonl"


def test_a_fork_has_its_parents_tools_and_a_spawn_has_none():
    (session,) = read_sessions(DAG).sessions
    tools = {step.agent: step.call.tools for step in session.steps}
    assert tools["audit"] == tools[""] != ()
    assert tools["scout"] == tools["critic"] == ()
