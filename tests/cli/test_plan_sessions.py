"""`plan --log` with a trace of sessions, through the command line."""

from __future__ import annotations

import json

import pytest

from tests.support.recorded_sessions import chain, growing, write_trace

WHAT = "--model llama-3-70b --precision fp8 --accelerator H200 --engine vllm --tp 4 --slo ttft_p95=2s,tpot=50ms"


@pytest.fixture
def log(tmp_path):
    sessions = [chain(growing(6, start=3000), name=str(i), begin_s=4.0 * i, call_s=2.0) for i in range(150)]
    return write_trace(tmp_path, sessions)


@pytest.mark.slow
def test_a_plan_of_sessions_is_replayed(call, log, tmp_path):
    code, out, err = call(f"plan --log {log} {WHAT} --out {tmp_path / 'plan'}")
    assert code == 0, err
    text = " ".join(out.split())
    assert "Replay of 900 calls of sessions in the busiest hour on 1 replica, each turn after its answer" in text
    assert "All limits hold." in text and "A task is a session of 6 requests on average." in text
    assert "Replay of 900 calls" in (tmp_path / "plan" / "plan.html").read_text()
    (row,) = json.loads((tmp_path / "plan" / "plan.json").read_text())["rows"]
    replay = row["sessions"]
    assert replay["met"] and replay["calls"] == 900 and replay["sessions"] == 150 and replay["needed"] == 1
    assert replay["hit_share"] == pytest.approx(replay["assumed_hit_share"], abs=0.05)
    assert 10.0 < replay["median_session_s"] <= replay["p99_session_s"]


def test_a_closed_form_has_no_replay(call, log):
    code, out, _ = call(f"plan --log {log} {WHAT} --coarse --json")
    assert code == 0 and json.loads(out)["rows"][0]["sessions"] is None


def test_sessions_without_times_are_refused(call, tmp_path):
    log = write_trace(tmp_path, [chain(growing(2), name="a"), chain(growing(2), name="b")])
    code, out, err = call(f"plan --log {log} {WHAT} --coarse")
    assert (code, out) == (2, "") and "contains sessions without a time" in err


@pytest.mark.slow
def test_a_fleet_is_sized_for_calls_at_the_times_of_its_own_answers(call, tmp_path):
    """Recorded answers of 60 s spread the calls of a session; the fleet is faster, so its sessions crowd."""
    calls = growing(8, start=6000)
    sessions = [chain(calls, name=str(i), begin_s=0.2 * i, call_s=60.0, tool_s=0.1) for i in range(400)]
    log = write_trace(tmp_path, sessions)
    code, out, err = call(f"plan --log {log} {WHAT.replace('ttft_p95=2s', 'ttft_p95=800ms')} --no-prefix-cache --json")
    assert code == 0, err
    row = json.loads(out)["rows"][0]
    replay = row["sessions"]
    assert replay["met"] and 1 < replay["sized_replicas"] == replay["needed"] == replay["replicas"]
    assert row["gpus"] == 4 * (row["replicas"] + 1)
