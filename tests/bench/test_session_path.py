"""Session times, critical paths and busy times, against a graph worked out by hand and any graph played exactly."""

from __future__ import annotations

import itertools
from heapq import heappop, heappush

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.sessions.busy import busy_times, spans, union_ns
from paretoken.bench.stats.sessions.measured import measured_sessions
from paretoken.bench.stats.sessions.path import critical_path
from paretoken.bench.stats.sessions.table import read_traced, traced_sessions
from paretoken.errors import BadFile
from paretoken.sessions.flow import FlowState, flow_of
from paretoken.sessions.graph import Session
from tests.support.session_levels import S, call, record, records, session, session_table, tool

FORK = session(
    call(),  # 0 to 3 s, first token at 1 s
    tool(2.0, [0]),  # 3 to 5 s
    tool(4.0, [0], 0.5),  # 3.5 to 7.5 s, beside it
    call([0], agent="sub"),  # 3 to 9 s, first token at 4 s
    call([1, 2, 3], 1.0),  # joins all at 9 s: due at 10 s, first token at 10.5 s, ends at 12 s
    tool(3.0, [4]),  # to 15 s; no call follows
)
FORK_CALLS = (record(7, 0, 0, 1, 3), record(7, 1, 3, 4, 9), record(7, 2, 10, 10.5, 12))


def one(frame: pl.DataFrame, *sessions: Session):
    (played,) = measured_sessions(sample(frame), traced_sessions(session_table(sessions or (FORK,))))
    return played


def test_the_path_of_a_fork_and_join_is_the_one_worked_out_by_hand():
    played = one(records(*FORK_CALLS))
    assert played.outcome == "done" and played.seconds == pytest.approx(15)
    pieces = [(p.part, p.step, p.begin_ns / S, p.end_ns / S) for p in critical_path(played)]
    assert pieces == [
        ("ttft", 0, 0, 1),
        ("decode", 0, 1, 3),
        ("ttft", 3, 3, 4),
        ("decode", 3, 4, 9),
        ("wait", 4, 9, 10),
        ("ttft", 4, 10, 10.5),
        ("decode", 4, 10.5, 12),
        ("tool", 5, 12, 15),
    ]


def test_busy_times_of_a_fork_and_join():
    busy = busy_times(one(records(*FORK_CALLS)))
    assert busy.calls_s == pytest.approx(11) and busy.tools_s == pytest.approx(9)
    assert busy.in_model_s == pytest.approx(11) and busy.in_tools_s == pytest.approx(7.5)
    assert busy.in_both_s == pytest.approx(4.5) and busy.idle_s == pytest.approx(1)


def test_tools_longer_than_the_sub_agent_are_the_path():
    slow = session(*FORK.steps[:2], tool(7.0, [0]), *FORK.steps[3:])
    calls = (*FORK_CALLS[:2], record(7, 2, 11, 11.5, 12))
    path = critical_path(one(records(*calls), slow))
    assert [(p.part, p.step) for p in path if p.part in ("tool", "wait")] == [("tool", 2), ("wait", 4), ("tool", 5)]


def test_a_session_may_begin_with_a_tool_and_a_call_that_starts_late():
    steps = session(tool(2.0), call([0]), call(wait_s=5.0))
    played = one(records(record(0, 0, 12, 13, 14), record(0, 1, 15, 16, 18)), steps)
    assert played.begin_ns[0] == 10 * S and played.begins_ns == 12 * S and played.seconds == 6.0
    assert [(p.part, p.step) for p in critical_path(played)] == [("wait", 2), ("ttft", 2), ("decode", 2)]


def test_an_answer_whose_first_token_nobody_saw_is_not_split():
    whole = record(7, 1, 3, 4, 9) | {"first_ns": -1}
    path = critical_path(one(records(FORK_CALLS[0], whole, FORK_CALLS[2])))
    assert [(p.part, p.length_ns) for p in path if p.step == 3] == [("unsplit", 6 * S)]


@pytest.mark.parametrize(
    ("calls", "outcome", "reason", "ran"),
    [
        (FORK_CALLS[:2], "cut", "not sent", 4),
        ((FORK_CALLS[0], record(7, 1, 3, 4, 9, status="cancelled")), "cut", "cancelled", 4),
        ((FORK_CALLS[0], record(7, 1, 3, 4, 9, status="http_5xx")), "failed", "http_5xx", 4),
        ((record(7, 0, 0, 1, 3, status="timeout"),), "failed", "timeout", 1),
    ],
)
def test_a_session_that_is_not_done_says_why_and_runs_no_further(calls, outcome, reason, ran):
    played = one(records(*calls))
    assert (played.outcome, played.reason) == (outcome, reason)
    assert sum(end >= 0 for end in played.end_ns) == ran


def test_a_call_that_was_sent_again_counts_as_it_ended_last():
    again = record(7, 1, 3, 4, 5, status="http_5xx")
    assert one(records(again, *FORK_CALLS)).outcome == "done"


def test_sessions_of_a_trace_are_played_in_turn():
    short = session(call(), name="short")
    frame = records(*(r | {"session": 3} for r in FORK_CALLS), record(2, 0, 0, 1, 2))
    played = measured_sessions(sample(frame), traced_sessions(session_table([short, FORK])))
    assert [(p.number, p.traced.session.name) for p in played] == [(2, "short"), (3, "s")]
    assert [p.seconds for p in played] == pytest.approx([2.0, 15.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (pl.col("step") + 1, "follows step"),
        (pl.lit([9], dtype=pl.List(pl.Int64)).alias("after"), "waits for a step that is not before it"),
        (pl.lit(-1.0).alias("wait_s"), "impossible time"),
        (pl.lit(float("inf")).alias("seconds"), "impossible time"),
        (pl.col("session") + 1, "session 0 is missing"),
        (pl.lit(0, dtype=pl.Int64).alias("call"), "not numbered in order"),
        (pl.lit("x").alias("after"), "was it edited"),
    ],
)
def test_a_table_that_no_run_writes_is_refused(tmp_path, change, words):
    session_table([FORK]).with_columns(change).write_parquet(tmp_path / "sessions.parquet")
    with pytest.raises(BadFile, match=words):
        read_traced(tmp_path)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(BadFile, match="has no column wait_s"):
        traced_sessions(session_table([FORK]).drop("wait_s"))


def test_a_call_that_the_session_lacks_is_refused():
    with pytest.raises(BadFile, match="session 7 has no call 5"):
        one(records(*FORK_CALLS, record(7, 5, 20, 21, 22)))


@st.composite
def graphs(draw) -> Session:
    """Any session of a few steps in whole milliseconds, one of them a call at least."""
    steps = []
    for place in range(draw(st.integers(0, 9))):
        after = draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else ()
        wait_s = draw(st.integers(0, 30)) / 1000
        kind = draw(st.booleans())
        steps.append(
            call(sorted(after), wait_s) if kind else tool(draw(st.integers(0, 30)) / 1000, sorted(after), wait_s)
        )
    return session(*steps, call(draw(st.sets(st.integers(0, len(steps) - 1), max_size=3)) if steps else ()))


def played_exactly(steps: Session, lengths: list[int]) -> tuple[list[dict[str, object]], int]:
    """(records, end ns) of a session whose calls take these ns, played by the flow of the client."""
    flow = flow_of(steps)
    state, running, rows, end = FlowState(flow), [], [], S + flow.least_ns
    due = state.begin(S)
    while due or running:
        for number, at in due:
            heappush(running, (at + lengths[number], number, at))
        ended, number, at = heappop(running)
        rows.append(record(0, number, at / S, (at + ended) / 2 / S, ended / S))
        end = max(end, ended, *(ended + gap for tail, gap in flow.tails if tail == number))
        due = state.ended(number, ended)
    return rows, end


@given(graphs(), st.data())
def test_the_path_of_any_graph_is_a_chain_as_long_as_the_session(steps, data):
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=len(steps.calls), max_size=len(steps.calls)))
    rows, end = played_exactly(steps, [n * 1_000_000 for n in lengths])
    played = one(records(*data.draw(st.permutations(rows))), steps)
    roots = [r["due_ns"] for r in rows]
    assert played.outcome == "done"
    assert played.ends_ns == end and played.begins_ns == min(roots)
    pieces = critical_path(played)
    assert sum(p.length_ns for p in pieces) == played.ends_ns - played.begins_ns
    assert all(a.end_ns == b.begin_ns for a, b in itertools.pairwise(pieces))
    chain = list(dict.fromkeys(p.step for p in pieces))
    assert all(a in ancestors(steps, b) for a, b in itertools.pairwise(chain))


def ancestors(steps: Session, step: int) -> set[int]:
    above = set(steps.steps[step].after)
    return above.union(*(ancestors(steps, parent) for parent in above))


@given(graphs(), st.data())
def test_model_tools_and_idle_time_cover_any_session(steps, data):
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=len(steps.calls), max_size=len(steps.calls)))
    rows, _ = played_exactly(steps, [n * 1_000_000 for n in lengths])
    played = one(records(*rows), steps)
    busy = busy_times(played)
    either = busy.in_model_s + busy.in_tools_s - busy.in_both_s
    assert either + busy.idle_s == pytest.approx(played.seconds)
    assert busy.in_model_s <= busy.calls_s + 1e-9 and busy.in_tools_s <= busy.tools_s + 1e-9
    waits = sum(p.length_ns for p in critical_path(played) if p.part == "wait") / S
    assert busy.idle_s <= waits + 1e-9  # when nothing runs, the path waits
    calls = spans(played, of_calls=True)
    ticks = range(played.begins_ns // 500_000, played.ends_ns // 500_000)
    covered = sum(any(a <= t * 500_000 < b for a, b in calls) for t in ticks)
    assert union_ns(calls, played.begins_ns, played.ends_ns) == covered * 500_000
