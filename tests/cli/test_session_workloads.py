"""Workloads of sessions at the command line."""

from __future__ import annotations

from functools import partial

import orjson
import pytest
from click.testing import CliRunner

from paretoken.answers import session_points
from paretoken.cli.main import main
from paretoken.predict.session_ladder import climb


@pytest.fixture
def quick(monkeypatch):
    """Two loads of each deployment, simulated in this process."""
    monkeypatch.setattr(session_points, "map_all", lambda work, items, **_: [work(item) for item in items])
    monkeypatch.setattr(session_points, "climb", partial(climb, users=(1, 8)))


def run(*args: str):
    return CliRunner().invoke(main, [*args])


ASKED = ("compare", "--model", "llama-3-70b", "--precision", "fp8", "--workload", "rag", "--interactivity", "20")


def test_the_catalog_lists_both_kinds():
    result = run("catalog", "workloads")
    assert result.exit_code == 0
    assert "Workloads of sessions" in result.output and "agent-research" in result.output
    listed = orjson.loads(run("catalog", "workloads", "--json").output)
    assert {"chat", "agent-code"} <= listed.keys()
    assert listed["rag"]["turns"]["source"].startswith("RAGPulse")


def test_compare_prints_the_cost_of_a_session(quick):
    result = run(*ASKED, "--accelerator", "H200", "--engine", "vllm")
    assert result.exit_code == 0, result.output
    assert "$/session" in result.output and "predicted" in result.output and "possible %" in result.output


def test_compare_in_json(quick):
    result = run(*ASKED, "--accelerator", "H200", "--engine", "vllm", "--json")
    answer = orjson.loads(result.output)
    assert answer["workload"] == "rag" and answer["candidates"][0]["session"]["cached_share"] > 0


@pytest.mark.parametrize("verb", ["frontier", "cost"])
def test_other_verbs_refuse(verb):
    result = run(verb, "--model", "llama-3-70b", "--precision", "fp8", "--workload", "agent-code")
    assert result.exit_code == 2
    assert "agent-code is a workload of sessions, which is not possible here" in result.output


def test_an_own_workload_of_sessions(tmp_path):
    (tmp_path / "workloads.toml").write_text(
        '[mine]\nname = "Mine"\ntask = "t"\nsource = "s"\ndate = "2026-11"\nopening_tokens = 10\n'
        'opening_source = "s"\n[mine.turns]\nleast = 2\nmost = 1\nsource = "s"\n'
    )
    result = run("catalog", "workloads", "--catalog", str(tmp_path))
    assert result.exit_code == 2
    assert "entry mine: turns = " in result.output and "a higher quantile is never lower" in result.output
