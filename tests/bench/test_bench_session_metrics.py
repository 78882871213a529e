"""`paretoken bench` with sessions, end to end: the figures of its levels from the records of the client."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.sessions.measured import measured_sessions
from paretoken.bench.stats.sessions.path import critical_path
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.catalog.loader import load_catalog
from paretoken.points.files import read_points
from paretoken.prices.tariff import tariff
from tests.support.sessions import write_sessions


def ask(**more: object) -> dict:
    return {"input_tokens": 12, "output_tokens": 4, "messages": [{"role": "user", "content": "question"}], **more}


AGENT = [
    {"id": "plan", "after": [], "call": ask(answer={"role": "assistant", "content": "plan"})},
    {"id": "look", "after": ["plan"], "seconds": 0.3},
    {"id": "sub", "agent": "sub", "after": ["plan"], "call": ask()},
    {"id": "join", "after": ["look", "sub"], "call": ask(continues="plan")},
    {"id": "format", "after": ["join"], "seconds": 0.05},
]


@pytest.fixture
def done(call, tmp_path):
    """(output of --json, folder) of a level of 24 sessions of 2 users."""
    write_sessions(tmp_path / "agents.jsonl", {"one": AGENT, "two": AGENT})
    with truth_server(Pace(ttft_ms=20, itl_ms=2), log=tmp_path / "log") as server:
        line = f"bench {server.base_url} --api chat --trace agents.jsonl --concurrency 2 --until 24sessions"
        line += " --accelerator H200 --precision fp8 --force"
        code, out, err = call(f"{line} --slo session_p50=60s --out run --json")
    assert code == 0, err
    return json.loads(out), tmp_path / "run"


def test_a_measured_level_of_sessions_has_their_metrics(call, done):
    printed, folder = done
    (level,) = RunFolder(folder).levels()
    sessions = level.summary.sessions
    assert (sessions.counts.done, sessions.counts.failed, sessions.calls) == (24, 0, 3)
    assert level.summary.verdict == "met" and level.summary.goodput.sessions.share == 1
    assert sum(sessions.path.values()) == pytest.approx(1)
    # The tool of 300 ms outlasts the sub-agent, so tools are the longest part of every path.
    assert max(sessions.path, key=sessions.path.get) == "tool" and sessions.time_s.min > 0.35
    assert printed["levels"][0]["sessions"]["counts"]["done"] == 24
    cost, prices = printed["levels"][0]["sessions"]["cost"], tariff(load_catalog())
    assert cost["usd"] == pytest.approx(prices.usd_per_gpu_h["H200"] / sessions.per_gpu_hour)
    assert cost["usd_per_gpu_h"] == prices.usd_per_gpu_h["H200"]
    stated = [cost[name] for name in ("price_set", "tier", "tier_name", "date")]
    assert stated == [prices.price_set, prices.tier, prices.name, prices.date]
    assert call(f"report {folder} --out page.html")[0] == 0
    (point,) = read_points(folder / "points.parquet")[0].to_dicts()
    name, _, content = point["workload"].partition("#")
    assert (name, len(content), point["sessions"]) == ("agents", 8, 2) and point["p90_session_s"] > 0.35


def test_every_path_is_as_long_as_its_session_by_the_clocks_of_the_client(done):
    """The client's stamps, unlike made-up ones, have gaps of microseconds: they are waits."""
    (level,) = RunFolder(done[1]).levels()
    samples = sample(level.requests())
    for session in measured_sessions(samples, level.traced()):
        pieces = critical_path(session)
        assert sum(p.length_ns for p in pieces) == session.ends_ns - session.begins_ns
        assert [p.step for p in pieces if p.part == "tool"] == [1, 4]
        due = samples.due_ns[list(session.rows)]
        assert (np.array([session.begin_ns[i] for i in (0, 2, 3)]) == due).all()
        assert due[2] >= session.end_ns[1]  # the client notices the end of a call a little after its stamp
