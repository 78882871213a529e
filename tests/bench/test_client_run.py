"""A load level end to end: users, workers, endpoints, conversations, stop rules, interrupted runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from paretoken.bench.client.journal import merge_journals, read_journal
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Open, Stop
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.truth.server import read_truth, truth_server
from tests.support.load_servers import Bodies, golden_server, stream
from tests.support.sessions import ScriptedSessions, call, session
from tests.support.truth_levels import QUICK, level, undisturbed


def test_users_come_one_by_one_on_a_ramp(tmp_path):
    load = Closed(8, from_users=2, ramp_s=0.6)
    result, _ = level(tmp_path, load, Stop(seconds=0.5, warmup_s=0.6), workers=2)
    first = result.requests.group_by("user").agg(pl.col("due_ns").min()).sort("user")
    assert first["user"].to_list() == list(range(8))
    starts = np.array([0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    late = first["due_ns"].to_numpy()[2:] / 1e9 - starts[2:]
    assert late.min() >= 0 and late.max() <= result.fidelity.send_lateness_max_s + 1e-6
    assert result.sending_s == pytest.approx(1.1)
    tallies = [json.loads(p.read_text()) for p in sorted((tmp_path / "run").glob("*.worker.json"))]
    for worker, tally in enumerate(tallies):
        # The time of users who are not due yet is not counted as missing.
        assert tally["due"] == pytest.approx((tally["sending_s"] - starts[worker::2]).sum())
    summary = summarise(
        result.requests, load, LevelContext(columns={"model": "truth"}), stop=Stop(seconds=0.5, warmup_s=0.6)
    )
    assert undisturbed(result.fidelity) <= (summary.window.start_s >= 0.6)


def test_users_stamps_where_the_kernel_gives_none(tmp_path):
    result, _ = level(tmp_path, Closed(2), Stop(requests=4), kernel_stamps=False)
    assert not result.fidelity.kernel_stamps
    assert (result.requests["status"] == "ok").all()


def test_workers_share_the_load_and_merge_exactly(tmp_path):
    result, truth = level(tmp_path, Closed(7), Stop(requests=29), workers=3)
    rows = result.requests
    assert rows.height == 29 == len(truth.tokens)
    assert sorted(set(rows["user"])) == list(range(7))
    assert rows.group_by("worker").len().sort("worker")["len"].to_list() == [10, 10, 9]
    apart = pl.concat([read_journal(p) for p in result.journals])
    order = ["due_ns", "worker"]
    assert apart.drop("index").sort(order).equals(rows.drop("index").sort(order))
    assert rows["due_ns"].is_sorted()


def test_stop_by_time_and_tokens_and_request(tmp_path):
    for name, stop in (("time", Stop(seconds=0.5)), ("tokens", Stop(tokens=100)), ("asked", Stop(seconds=30.0))):
        (tmp_path / name).mkdir()
        result, _ = level(
            tmp_path / name,
            Closed(4),
            stop,
            on_progress=lambda p, n=name: n == "asked" and p.finished > 8,
            progress_every_s=0.02,
        )
        assert (result.requests["status"] == "ok").all()
        if name == "time":
            assert result.sending_s == pytest.approx(0.5)
            after = result.requests["sent_ns"] - 500_000_000
            assert (after > 0).sum() <= 4, "a loop that lost its core sends at most one request of each user"
            assert undisturbed(result.fidelity) <= (after.max() <= 50_000_000)
        assert result.elapsed_s < 5


def test_several_endpoints(tmp_path):
    with golden_server() as one, golden_server() as two:
        ends = [Endpoint(one.base_url, "a", 3.0), Endpoint(two.base_url, "b", 1.0)]
        bodies = Bodies([{"model": "a", "script": stream(1)}] * 16)
        for balance, share in (("round_robin", 8), ("weighted", 12)):
            rows = run_level(
                ends,
                "completions",
                bodies,
                Closed(2),
                Stop(requests=16),
                folder=tmp_path / balance,
                client=ClientOptions(balance=balance),
            ).requests
            assert (rows["endpoint"] == 0).sum() == share
        assert {e["model"] for e in one.log()} == {"a"} and {e["model"] for e in two.log()} == {"b"}


@pytest.mark.parametrize("wait_s", [0.0, 0.15])
def test_turns_of_a_conversation_follow_each_other(golden, tmp_path, wait_s):
    """Each is sent after the answer to the one before it, and no earlier than its wait after that."""
    talk = session(call(), call(0, wait_s=wait_s), call(1, wait_s=wait_s))
    for load in (Closed(2), Open(np.arange(2) * 0.001, 1000.0)):
        rows = run_level(
            [Endpoint(golden.base_url, "m")],
            "completions",
            ScriptedSessions((talk,), lambda number, turn: stream(2, 0.02), total=2),
            load,
            Stop(requests=6, drain_s=5),
            folder=tmp_path / type(load).__name__,
        ).requests
        assert rows["status"].to_list() == ["ok"] * 6
        for number in range(2):
            mine = rows.filter(rows["session"] == number).sort("turn")
            assert (mine["sent_ns"][1:] >= mine["end_ns"][:-1] + round(wait_s * 1e9)).all()


CHILD = """
    import sys
    from pathlib import Path
    from paretoken.bench.plan import Closed, Endpoint, Stop
    from paretoken.bench.client.options import ClientOptions
    from paretoken.bench.client.run import run_level
    from paretoken.bench.truth.selftest import SameAgain
    try:
        run_level([Endpoint(sys.argv[1], "m")], "completions", SameAgain(5), Closed(4), Stop(seconds=60),
                  folder=Path(sys.argv[2]), client=ClientOptions(workers=2))
    except KeyboardInterrupt:
        assert "polars" not in sys.modules
        print("interrupted")
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_keeps_every_finished_request(tmp_path, how):
    with truth_server(QUICK, log=tmp_path / "log") as server:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), server.base_url, str(tmp_path / "run")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        journals = [tmp_path / "run" / f"requests-{worker}.journal" for worker in range(2)]
        _wait_until(lambda: all(path.exists() and read_journal(path).height > 10 for path in journals))
        child.send_signal(how)
        out, _ = child.communicate(timeout=30)
        _wait_until(lambda: "requests" not in _open_journals(tmp_path))  # workers whose parent died leave too
    rows = merge_journals(journals)
    assert set(rows["status"]) <= {"ok", "cancelled"}
    ok = rows.filter(rows["status"] == "ok")
    assert set(ok["worker"]) == {0, 1} and ok.height > 20
    assert len(read_truth(tmp_path / "log").tokens) - ok.height <= 4
    if how == signal.SIGINT:
        assert out.strip() == "interrupted"


def _wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _open_journals(folder: Path) -> str:
    targets = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(str(folder / "run")):
            targets.append(target)
    return " ".join(targets)


def test_the_hot_path_imports_nothing_heavy():
    heavy = ("polars", "scipy", "pydantic", "asyncio", "rich")
    code = f"import sys, paretoken.bench.client.run; print([m for m in {heavy} if m in sys.modules])"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert child.stdout.strip() == "[]"
