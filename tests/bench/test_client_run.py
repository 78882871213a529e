"""A load level end to end: truth, journals, workers, stop rules, traps of published clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.client.balance import chooser
from paretoken.bench.client.fidelity import Delays, Fidelity, WorkerTally, judge
from paretoken.bench.client.journal import JournalWriter, journal_meta, merge_journals, read_journal
from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.pace import Requests, Schedule, Users
from paretoken.bench.client.run import run_level
from paretoken.bench.client.stamps import wall_offset_ns
from paretoken.bench.plan import Closed, Endpoint, Open, Prepared, Stop
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.truth.selftest import SameAgain, compare, selftest
from paretoken.bench.truth.server import Pace, Truth, compiler, read_truth, truth_server
from paretoken.errors import BadFile, CannotWrite, ParetokenError
from paretoken.points.requests import REQUEST_SCHEMA
from tests.support.load_servers import Bodies, golden_server, stream

QUICK = Pace(ttft_ms=20, itl_ms=5)


@pytest.fixture(scope="module")
def golden():
    with golden_server() as server:
        yield server


def level(folder, load, stop, *, pace=QUICK, tokens=10, extra="", compiled=None, on_progress=None, **client):
    """One level against a truth server; (result, what the server did)."""
    with truth_server(pace, log=folder / "truth.log", compiled=compiled) as server:
        result = run_level(
            [server.endpoint],
            "completions",
            SameAgain(tokens, extra),
            load,
            stop,
            folder=folder / "run",
            client=ClientOptions(**client),
            on_progress=on_progress,
        )
    return result, read_truth(folder / "truth.log")


def undisturbed(fidelity: Fidelity) -> bool:
    """Whether the client says that nothing kept it from its work; else even the server's own log is coarse."""
    return not fidelity.client_limited and fidelity.cpu_wait_share < 0.05


def wall_ns(result: LevelResult, column: str) -> np.ndarray:
    """Times of all requests on the wall clock, the server's, rising."""
    times = result.requests[column].explode() if column == "chunk_ns" else result.requests[column]
    return np.sort(times.to_numpy()) + result.t0_monotonic_ns + wall_offset_ns()


def assert_chunks_are_stamped_as_they_were_sent(result: LevelResult, truth: Truth) -> None:
    """Chunk by chunk, so a busy machine, which delays what the server sends, changes nothing.

    The server notes the time just before it sends, and may lose the core in between, so the median is judged.
    """
    lag_s = (wall_ns(result, "chunk_ns") - np.sort(truth.sent_ns)) / 1e9
    assert lag_s.min() > -0.001 and np.median(lag_s) < 0.001


@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_reported_is_what_the_server_did(tmp_path, compiled):
    if compiled and compiler() is None:
        pytest.skip("no C compiler")
    result, truth = level(tmp_path, Closed(8), Stop(requests=40), compiled=compiled)
    rows = result.requests
    assert dict(zip(rows.columns, rows.dtypes, strict=True)) == REQUEST_SCHEMA
    assert rows["status"].to_list() == ["ok"] * 40 == ["ok"] * len(truth.tokens)
    assert rows["output_tokens"].sum() == truth.tokens.sum() == sum(map(sum, rows["chunk_tokens"]))
    reading = compare(8, 8, result, truth)
    assert undisturbed(result.fidelity) <= (abs(reading.itl_error) < 0.02 and abs(reading.tpot_error) < 0.02)
    assert_chunks_are_stamped_as_they_were_sent(result, truth)
    assert (wall_ns(result, "due_ns") < np.sort(truth.received_ns) + 1e6).all()
    for a, b in (("due_ns", "sent_ns"), ("due_ns", "first_ns"), ("headers_ns", "first_ns"), ("last_ns", "end_ns")):
        assert (rows[a] <= rows[b]).all(), (a, b)
    # The end of a send is read after it, which a client that loses its core there does after the answer has come.
    assert undisturbed(result.fidelity) <= (rows["sent_ns"] <= rows["first_ns"]).all()
    assert rows["index"].to_list() == list(range(40))


def test_four_tokens_per_chunk_are_four_tokens(tmp_path):
    """Trap 4: a client that takes a chunk for a token reads TPOT low and throughput lower."""
    pace = Pace(ttft_ms=20, itl_ms=2, tokens_per_chunk=4)
    for name, extra in (("shared", ""), ("said", ',"continuous_usage_stats":true')):
        (tmp_path / name).mkdir()
        result, truth = level(tmp_path / name, Closed(4), Stop(requests=8), pace=pace, tokens=40, extra=extra)
        rows = result.requests
        assert [list(t) for t in rows["chunk_tokens"]] == [[4] * 10] * 8
        assert_chunks_are_stamped_as_they_were_sent(result, truth)
        error = abs(compare(4, 4, result, truth).tpot_error)
        assert error < 0.5 and undisturbed(result.fidelity) <= (error < 0.02), "a chunk for a token would be 3.0"


def test_more_than_a_thousand_connections_are_held(tmp_path):
    """Trap 7: pools that cap at 100 or 1,000 look like a plateau."""
    pace = Pace(ttft_ms=2000, itl_ms=5)
    result, truth = level(tmp_path, Closed(1100), Stop(requests=1100), pace=pace, tokens=2)
    rows = result.requests
    assert (rows["status"] == "ok").sum() == 1100 == len(truth.tokens)
    assert rows["sent_ns"].max() < rows["first_ns"].min(), "all were running before the first answer began"


def test_coordinated_omission_is_visible(golden, tmp_path):
    """A server that stalls must not slow the schedule: the wait is counted from when a request was due."""
    due = np.arange(30) * 0.01
    result = run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        Bodies([{"script": stream(1, first_s=1.0)}] * 30),
        Open(due, 100.0),
        Stop(drain_s=5),
        folder=tmp_path,
    )
    rows = result.requests
    assert rows["due_ns"].to_list() == [round(t * 1e9) for t in due]
    assert rows["sent_ns"].max() < rows["headers_ns"].min(), "all went out before the first answer came"
    assert (rows["first_ns"] - rows["due_ns"]).min() >= 0.99e9
    assert result.fidelity.achieved == 1.0


def test_coalesced_reads_are_counted(golden, tmp_path):
    from tests.support.load_servers import DONE, HEAD, event

    script = [["send", HEAD + event() + event() + event(finish="stop")], ["sleep", 0.02], ["send", DONE]]
    result = run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        Bodies([{"script": script}]),
        Closed(1),
        Stop(requests=1),
        folder=tmp_path,
    )
    row = result.requests.row(0, named=True)
    assert (row["coalesced"], row["chunk_tokens"], len(set(row["chunk_ns"]))) == (2, [1, 1, 1], 1)
    assert result.fidelity.coalesced_read_fraction == 1.0


class Blocking:
    """Prompts that take so long to make that the loop misses tokens meanwhile."""

    def requests(self, worker, workers):
        for prepared in SameAgain(24).requests(worker, workers):
            yield prepared
            time.sleep(0.03)


def test_a_loop_that_is_blocked_past_the_next_token_says_how_wrong_its_ttft_may_be(tmp_path):
    with truth_server(Pace(ttft_ms=20, itl_ms=4), log=tmp_path / "truth.log") as server:
        result = run_level(
            [server.endpoint], "completions", Blocking(), Closed(6), Stop(requests=150), folder=tmp_path / "run"
        )
    truth = read_truth(tmp_path / "truth.log")
    on_the_way_s = (truth.received_ns - wall_ns(result, "due_ns")).mean() / 1e9  # a busy server reads late
    true_s = truth.ttft_s.mean() + on_the_way_s
    samples = sample(result.requests)
    reported_s, late_at_most_s = samples.ttft_s.mean(), samples.ttft_late_s.mean()
    assert reported_s > 1.02 * true_s, "the trap was not sprung"
    assert reported_s - late_at_most_s <= 1.02 * true_s
    assert result.fidelity.client_limited and any("first tokens" in r for r in result.fidelity.reasons)
    summary = summarise(result.requests, Closed(6), LevelContext(columns={"model": "truth"}))
    assert "ttft_merged" in [w.code for w in summary.warnings]
    assert summary.latency.ttft_s.mean_too_high_at_most > 0


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


def test_ways_to_balance():
    assert [chooser("round_robin", [1, 1])([0, 0]) for _ in range(1)] == [0]
    choose = chooser("weighted", [2, 1])
    assert [choose([0, 0]) for _ in range(6)].count(0) == 4
    least = chooser("least_outstanding", [1, 1, 1])
    assert least([2, 0, 1]) == 1
    assert sorted(least([0, 0, 0]) for _ in range(3)) == [0, 1, 2]


@pytest.mark.parametrize("delay_ns", [0, 150_000_000])
def test_turns_of_a_conversation_follow_each_other(golden, tmp_path, delay_ns):
    """Each is sent after the answer to the one before it, and no earlier than its delay after that."""

    class Talks:
        def requests(self, worker, workers):
            body = Bodies([{"script": stream(2, 0.02)}]).bodies[0].body
            for turn in range(3):
                for session in range(2):
                    yield Prepared(body, 3, 2, session, turn, delay_ns if turn else 0)

    for load in (Closed(4), Open(np.arange(6) * 0.001, 1000.0)):
        rows = run_level(
            [Endpoint(golden.base_url, "m")],
            "completions",
            Talks(),
            load,
            Stop(requests=6, drain_s=5),
            folder=tmp_path / type(load).__name__,
        ).requests
        assert rows["status"].to_list() == ["ok"] * 6
        for session in range(2):
            mine = rows.filter(rows["session"] == session).sort("turn")
            assert (mine["sent_ns"][1:] >= mine["end_ns"][:-1] + delay_ns).all()


# ── journals ──────────────────────────────────────────────────────────────────────────────────────


def written(path: Path, n: int) -> bytes:
    journal = JournalWriter(path, {"worker": 0})
    for i in range(n):
        numbers = (0, i, 0, -1, 0, 100 - i, 101, 102, 103, 104, 105, 200, 3, 4, 3, 4, -1, -1, 0)
        journal.append(numbers, ("ok", "dé" * i, "stop"), array("q", range(i)), array("i", [1 + i % 2] * i))
    journal.close()
    return path.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_journal_on_a_full_disk_is_the_users_mistake(tmp_path):
    journal = JournalWriter(tmp_path / "j", {})
    with Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), journal._fd)
        with pytest.raises(CannotWrite, match="No space left"):
            journal.append((0,) * 19, ("ok", "", "stop"), array("q", [1]), array("i", [1]))
    journal.close()


def test_a_journal_reads_back_what_was_written(tmp_path):
    written(tmp_path / "j", 5)
    rows = read_journal(tmp_path / "j")
    assert rows["detail"].to_list() == ["dé" * i for i in range(5)]
    assert rows["chunk_ns"].to_list() == [list(range(i)) for i in range(5)]
    assert rows["chunk_tokens"].to_list() == [[1 + i % 2] * i for i in range(5)]
    assert merge_journals([tmp_path / "j"])["due_ns"].to_list() == [96, 97, 98, 99, 100]
    assert journal_meta(tmp_path / "j") == {"worker": 0}


def test_any_torn_tail_or_flipped_bit_loses_only_what_follows(tmp_path):
    data = written(tmp_path / "whole", 6)
    whole = read_journal(tmp_path / "whole").rows()

    @given(st.integers(21, len(data)), st.booleans())  # from the first frame on
    def damaged(at, torn):
        path = tmp_path / "damaged"
        path.write_bytes(data[:at] if torn or at == len(data) else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        rows = read_journal(path).rows()
        assert rows == whole[: len(rows)]

    damaged()


def test_what_is_no_journal_is_called_so(tmp_path):
    (tmp_path / "x").write_bytes(b"hello, this is text")
    for path in (tmp_path / "x", tmp_path / "none"):
        with pytest.raises(BadFile):
            read_journal(path)


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


# ── pacing and the proof ──────────────────────────────────────────────────────────────────────────


def test_users_and_schedules():
    users = Users(range(2), think_ns=10)
    assert [users.pop(), users.pop(), users.next_ns()] == [(0, 0), (0, 1), None]
    assert not users.ended(0, 100, True, 0) and users.pop() == (110, 0)
    waits = []
    for _ in range(8):
        users.ended(1, 0, False, 0)
        waits.append(users.pop()[0])
    assert waits == [50_000_000 * 2**i for i in range(5)] + [1_000_000_000] * 3
    assert not users.ended(1, 0, False, 3_000_000_000) and users.pop()[0] == 3_000_000_000
    schedule = Schedule([5, 7])
    assert [schedule.pop(), schedule.next_ns(), schedule.pop(), schedule.next_ns()] == [(5, -1), 7, (7, -1), None]


def test_requests_stop_at_their_share():
    requests = Requests(iter([Prepared(b"", 1, 1)] * 9), 3)
    assert [requests.take() is not None for _ in range(4)] == [True, True, True, False]
    assert requests.exhausted


@given(st.lists(st.integers(0, 60_000_000), min_size=1, max_size=60), st.integers(1, 59))
def test_delays_merge_exactly_and_bound_their_quantiles(delays, split):
    one, a, b = Delays(), Delays(), Delays()
    for i, d in enumerate(delays):
        one.add(d)
        (a if i < split else b).add(d)
    a.merge(b)
    assert (a.bins, a.longest_ns) == (one.bins, one.longest_ns)
    p50 = np.quantile(delays, 0.5, method="inverted_cdf") / 1e9
    assert one.quantile_s(0.5) >= p50
    if p50 < 0.04:
        assert one.quantile_s(0.5) <= p50 + 1e-5


def test_a_client_whose_core_others_take_is_told_so_and_not_to_use_more_workers():
    crowded = WorkerTally(
        reads=10, stamped_reads=10, token_reads=10, cpu_s=1, wall_s=10, cpu_wait_s=3, user_s=9, due=10
    )
    verdict = judge([crowded], closed=True, steal=0.0)
    assert verdict.cpu_wait_share == pytest.approx(0.3)
    (reason,) = verdict.reasons
    assert "30%" in reason and "other programs" in reason and "--workers" not in reason


def test_a_limited_client_is_said_and_what_to_do():
    tally = WorkerTally(reads=10, stamped_reads=10, token_reads=10, cpu_s=9.5, wall_s=10, user_s=10, due=10)
    fine = WorkerTally(reads=10, stamped_reads=10, token_reads=10, cpu_s=1, wall_s=10, user_s=10, due=10)
    assert not judge([fine], closed=True, steal=0).client_limited
    limited = judge([fine, tally], closed=True, steal=0.2)
    assert limited.client_limited and "--workers 4" in limited.reasons[0] and "CPU time" in limited.reasons[1]
    assert WorkerTally.from_json(tally.to_json()).to_json() == tally.to_json()
    slow = WorkerTally(started=90, due=100)
    assert "due requests" in judge([slow], closed=False, steal=0).reasons[0]
    for _ in range(100):
        fine.lateness.add(20_000_000)
    assert "late" in judge([fine], closed=False, steal=0).reasons[0]


def test_selftest_reads_the_truth():
    if compiler() is None:
        pytest.skip("no C compiler")
    seen = []
    test = selftest((4, 8), seconds=0.4, pace=QUICK, on_reading=seen.append, stop_at_first_miss=False)
    assert [r.concurrency for r in test.readings] == [4, 8] == [r.concurrency for r in seen]
    assert [r.failed for r in test.readings] == [0, 0]
    assert all(undisturbed(r.fidelity) <= (abs(r.itl_error) < 0.05) for r in test.readings)


def test_no_server_no_truth(monkeypatch, tmp_path):
    monkeypatch.setattr("paretoken.bench.truth.server.compiler", lambda: None)
    with pytest.raises(ParetokenError, match="compiler"), truth_server(log=tmp_path / "x", compiled=True):
        pass
