"""Sessions against a server of known pacing: order, due times, requests in flight, failures, ends."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretoken.bench.client.journal import merge_journals
from paretoken.bench.client.level import LevelResult
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.pace import FIRST_BACKOFF_NS
from paretoken.bench.client.run import run_level
from paretoken.bench.plan import Closed, Endpoint, Load, Open, Stop
from paretoken.sessions.flow import flow_of
from paretoken.sessions.graph import Session
from tests.support.load_servers import stream, whole
from tests.support.sessions import ScriptedSessions, call, graphs, session, tool

NS = 1_000_000_000
FORKED = session(
    call(),  # 0 → call 0
    tool(0, seconds=0.1),  # 1
    tool(0, seconds=0.2),  # 2
    call(1, 2, agent="a"),  # 3 → call 1: after both tools
    call(0, wait_s=0.05, agent="b"),  # 4 → call 2: beside them
    call(3, 4),  # 5 → call 3: joins
)


def play(golden, folder, source, load: Load, stop: Stop, **client) -> LevelResult:
    return run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        source,
        load,
        stop,
        folder=folder,
        client=ClientOptions(**client),
    )


def by_call(rows: pl.DataFrame, number: int) -> dict[int, dict]:
    return {row["turn"]: row for row in rows.filter(rows["session"] == number).to_dicts()}


@pytest.mark.parametrize("load", [Closed(2), Open(np.array([0.0, 0.05, 0.1, 0.15]), 20.0)], ids=["closed", "open"])
@pytest.mark.parametrize("workers", [1, 2])
def test_forks_tools_and_joins_are_real_waits(golden, tmp_path, load, workers):
    source = ScriptedSessions((FORKED,), lambda s, c: stream(4, 0.01), total=4)
    rows = play(golden, tmp_path, source, load, Stop(sessions=4, drain_s=9), workers=workers).requests
    assert rows["status"].to_list() == ["ok"] * 16
    assert sorted(rows["session"].to_list()) == sorted([0, 1, 2, 3] * 4)
    for number in range(4):
        calls = by_call(rows, number)
        due = [calls[c]["due_ns"] for c in range(4)]
        end = [calls[c]["end_ns"] for c in range(4)]
        assert due[1] >= end[0] + 0.2 * NS and due[2] >= end[0] + 0.05 * NS
        assert due[3] >= max(end[1], end[2])
        assert due[2] < end[0] + 0.2 * NS  # beside the tools, not after them
        assert {c["user"] for c in calls.values()} == ({calls[0]["user"]})
        if isinstance(load, Open):
            assert due == [round(load.due_s[number] * NS), end[0] + NS // 5, end[0] + NS // 20, max(end[1], end[2])]


def chain(n: int = 3, wait_s: float = 0.0) -> Session:
    return session(call(), *(call(k, wait_s=wait_s) for k in range(n - 1)))


def test_calls_beside_each_other_are_in_flight_together(golden, tmp_path):
    wide = session(call(), *(call(0) for _ in range(6)))
    most: list[int] = []
    source = ScriptedSessions((wide,), lambda s, c: stream(2, first_s=0.0 if c == 0 else 0.3), total=2)
    result = run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        source,
        Closed(2),
        Stop(sessions=2, drain_s=9),
        folder=tmp_path,
        client=ClientOptions(progress_every_s=0.02),
        on_progress=lambda p: most.append((p.sessions_begun - p.sessions_ended, p.running)),
    )
    assert max(running for _, running in most) == 12 and max(sessions for sessions, _ in most) == 2
    assert result.fidelity.achieved == 1.0 and result.fidelity.asked_unit == "users"
    due = result.requests.filter(result.requests["turn"] > 0).group_by("session").agg(pl.col("due_ns"))
    assert all(max(d) - min(d) < 0.2 * NS for d in due["due_ns"].to_list())


def test_a_failed_call_fails_its_session_and_the_user_rests_before_the_next(golden, tmp_path):
    def script(number, turn):
        return whole("500 Internal Server Error", "{}") if (number, turn) == (0, 1) else stream(2)

    ended = []
    result = run_level(
        [Endpoint(golden.base_url, "m")],
        "completions",
        ScriptedSessions((chain(3),), script, total=2),
        Closed(1),
        Stop(sessions=2, drain_s=9),
        folder=tmp_path,
        client=ClientOptions(progress_every_s=0.005),
        on_progress=lambda p: ended.append(p.sessions_failed),
    )
    rows = result.requests
    assert rows.filter(rows["session"] == 0)["turn"].to_list() == [0, 1]
    assert rows.filter(rows["session"] == 1)["status"].to_list() == ["ok"] * 3
    failed, following = by_call(rows, 0)[1], by_call(rows, 1)[0]
    assert failed["status"] == "http_5xx" and following["due_ns"] >= failed["end_ns"] + FIRST_BACKOFF_NS
    assert max(ended) == 1


@pytest.mark.parametrize(
    ("stop", "sent"),
    [(Stop(seconds=1, drain_s=9), {2}), (Stop(requests=3, drain_s=9), {3}), (Stop(tokens=5), {3, 4, 5})],
)
def test_the_end_of_a_level_cuts_sessions_between_calls(golden, tmp_path, stop, sent):
    """What runs is drained, what waits is not sent, and nothing fails by it. Tokens are counted now and then."""
    wait_s = 0.6 if stop.seconds else 0.0
    source = ScriptedSessions((chain(9, wait_s),), lambda s, c: stream(2, 0.01, first_s=0.02))
    rows = play(golden, tmp_path, source, Closed(1), stop).requests
    assert rows.height in sent and set(rows["status"]) == {"ok"} and rows["session"].unique().to_list() == [0]


def test_begun_sessions_are_played_to_their_end_after_the_last_arrival(golden, tmp_path):
    source = ScriptedSessions((chain(3, 0.2),))
    result = play(golden, tmp_path, source, Open(np.array([0.0, 0.01]), 100.0), Stop(drain_s=9))
    assert result.requests.height == 6 and set(result.requests["status"]) == {"ok"}
    assert result.sending_s < 0.2 and result.fidelity.achieved == 1.0


def test_sessions_that_outlast_the_drain_are_cut(golden, tmp_path):
    source = ScriptedSessions((chain(3, 5.0),))
    result = play(golden, tmp_path, source, Open(np.array([0.0]), 1.0), Stop(drain_s=0.2))
    assert result.requests["status"].to_list() == ["ok"] and result.elapsed_s < 3


def test_an_interrupted_level_keeps_the_calls_that_ended(golden, tmp_path):
    def interrupt(progress):
        if progress.finished >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_level(
            [Endpoint(golden.base_url, "m")],
            "completions",
            ScriptedSessions((chain(4),), lambda s, c: stream(2, first_s=0.02)),
            Closed(2),
            Stop(seconds=30),
            folder=tmp_path,
            client=ClientOptions(progress_every_s=0.01),
            on_progress=interrupt,
        )
    rows = merge_journals(sorted(tmp_path.glob("*.journal")))
    ok = rows.filter(rows["status"] == "ok")
    assert ok.height >= 5 and set(rows["status"]) <= {"ok", "cancelled"}
    assert ok.select("session", "turn").is_unique().all()


@pytest.mark.slow
@given(st.lists(graphs(5, 0.05), min_size=1, max_size=4), st.integers(1, 3), st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_graphs_are_played_as_they_are(golden, tmp_path, sessions, workers, closed):
    """No call begins before all that it waits for has ended, with the gap; every call is sent once."""
    total = len(sessions)
    load = Closed(max(workers, 2)) if closed else Open(np.arange(total) * 0.01, 100.0)
    source = ScriptedSessions(tuple(sessions), lambda s, c: stream(2, first_s=0.005 * (c % 3)), total=total)
    stop = Stop(sessions=total if closed else None, drain_s=9)
    folder = tmp_path / str(time.monotonic_ns())
    rows = play(golden, folder, source, load, stop, workers=workers).requests
    expected = [(k, n) for k, graph in enumerate(sessions) for n in range(len(graph.calls))]
    assert sorted(rows.select("session", "turn").rows()) == expected and set(rows["status"]) == {"ok"}
    for k, graph in enumerate(sessions):
        calls, flow = by_call(rows, k), flow_of(graph)
        begin = min(c["due_ns"] - (flow.root_ns[n] or 0) for n, c in calls.items() if not flow.parents[n])
        for n, c in calls.items():
            bounds = [calls[parent]["end_ns"] + gap for parent, gap in flow.parents[n]]
            if (
                not closed and flow.root_ns[n] is not None
            ):  # in a closed loop a call is due when it is sent: begin is late
                bounds.append(begin + flow.root_ns[n])
            assert c["due_ns"] >= max(bounds, default=0) and c["sent_ns"] >= c["due_ns"]
