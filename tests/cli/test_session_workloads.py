"""Workloads of sessions at the command line."""

from __future__ import annotations

import orjson
import pytest

from tests.support.session_predictions import simulate_here


@pytest.fixture
def quick(monkeypatch):
    """Two loads of each deployment, simulated in this process."""
    simulate_here(monkeypatch, users=(1, 8))


COMPARE = "compare --model llama-3-70b --precision fp8 --workload rag --interactivity 20"
HERE = " --accelerator H200 --engine vllm"


def test_the_catalog_lists_both_kinds(call):
    code, out, _ = call("catalog workloads")
    assert code == 0 and "Workloads of sessions" in out and "agent-research" in out
    listed = orjson.loads(call("catalog workloads --json")[1])
    assert {"chat", "agent-code"} <= listed.keys()
    assert listed["rag"]["turns"]["source"].startswith("RAGPulse")


def test_the_catalog_shows_the_quantiles_of_a_workload(call):
    code, out, _ = call("catalog workloads coding-agent --wide")
    assert code == 0 and "{" not in out
    (row,) = (line.split() for line in out.splitlines() if line.startswith("sub_agents.first_tokens "))
    stated = orjson.loads(call("catalog workloads agent-code --json")[1])["sub_agents"]["first_tokens"]
    assert [float(row[i].replace(",", "")) for i in (1, 4, 9)] == [stated[name] for name in ("least", "p50", "most")]
    assert "compaction.to_tokens" in out and "messages of the user in a session" in out


def test_compare_prints_the_cost_of_a_session(quick, call):
    code, out, err = call(COMPARE + HERE)
    assert code == 0, err
    assert "$/session" in out and "predicted" in out and "possible %" in out


def test_compare_in_json(quick, call):
    answer = orjson.loads(call(COMPARE + HERE + " --json")[1])
    assert answer["workload"] == "rag" and answer["candidates"][0]["session"]["cached_share"] > 0


@pytest.mark.parametrize("verb", ["frontier", "cost"])
def test_other_verbs_refuse(verb, call):
    code, _, err = call(f"{verb} --model llama-3-70b --precision fp8 --workload agent-code")
    assert code == 2
    assert "agent-code is a workload of sessions, which is not possible here" in err


def test_a_distribution_that_falls_is_refused(tmp_path, call):
    (tmp_path / "workloads.toml").write_text('[rag.turns]\nleast = 2\nmost = 1\nsource = "s"\n')
    code, _, err = call(f"catalog workloads --catalog {tmp_path}")
    assert code == 2
    assert "entry rag: turns" in err and "a higher quantile is never lower" in err
