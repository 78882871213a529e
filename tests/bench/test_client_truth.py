"""A load level reports what the server did, in spite of the traps of published clients."""

from __future__ import annotations

import time

import numpy as np
import pytest

from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.run import run_level
from paretoken.bench.client.stamps import wall_offset_ns
from paretoken.bench.plan import Closed, Endpoint, Open, Stop
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.truth.selftest import SameAgain, compare, selftest
from paretoken.bench.truth.server import Pace, Truth, compiler, read_truth, truth_server
from paretoken.errors import ParetokenError
from paretoken.points.requests import REQUEST_SCHEMA
from tests.support.load_servers import DONE, HEAD, Bodies, event, stream
from tests.support.truth_levels import QUICK, level, undisturbed


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


def test_selftest_reads_the_truth():
    if compiler() is None:
        pytest.skip("no C compiler")
    readings = []
    test = selftest((4, 8), seconds=0.4, pace=QUICK, on_reading=readings.append, stop_at_first_miss=False)
    assert [r.concurrency for r in test.readings] == [4, 8] == [r.concurrency for r in readings]
    assert [r.failed for r in test.readings] == [0, 0]
    assert all(undisturbed(r.fidelity) <= (abs(r.itl_error) < 0.05) for r in test.readings)


def test_no_server_no_truth(monkeypatch, tmp_path):
    monkeypatch.setattr("paretoken.bench.truth.server.compiler", lambda: None)
    with pytest.raises(ParetokenError, match="compiler"), truth_server(log=tmp_path / "x", compiled=True):
        pass
