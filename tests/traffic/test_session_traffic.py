"""The traffic of sessions: times, lengths, what waits for what, and back to whole sessions."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from paretoken.bench.workload.sessions.of_requests import sessions_of_requests
from paretoken.bench.workload.traces.request import STAND_IN, Trace, TraceRequest
from paretoken.errors import BadFile
from paretoken.sessions.graph import Call, Session, Step
from paretoken.traffic.describe import describe
from paretoken.traffic.growth import grown
from paretoken.traffic.log import read_log
from paretoken.traffic.requests_as_sessions import read_as_sessions
from paretoken.traffic.reuse import reuse
from paretoken.traffic.sessions import sessions_between, traffic_of_sessions
from paretoken.traffic.trace import traffic_of_trace
from tests.support.recorded_sessions import chain, growing, trace_of, write_trace

SESSIONS = Path(__file__).parents[1] / "sessions" / "data"
TIMED = [chain(growing(3), name=str(i), begin_s=100.0 * i, call_s=4.0) for i in range(5)]


def test_turns_come_after_the_answers_and_tools_before_them():
    traffic = traffic_of_trace(trace_of([TIMED[0], chain([(10, 1)], name="x", begin_s=50.0, call_s=1.0)]))
    assert traffic.time_s.tolist() == [0.0, 6.0, 12.0, 50.0]
    assert traffic.input_tokens.tolist() == [1000, 1600, 2200, 10]
    assert traffic.session.tolist() == [0, 0, 0, 1]
    assert traffic.graphs is not None and traffic.graphs.step.tolist() == [0, 2, 4, 0]


def test_answers_without_a_duration_take_a_second_and_are_counted():
    traffic = traffic_of_sessions(trace_of([chain(growing(2), begin_s=0.0)]))
    assert traffic.time_s.tolist() == [0.0, 3.0]
    assert any("1 model call without a recorded duration" in note for note in traffic.notes)


@pytest.mark.parametrize(
    ("sessions", "says"),
    [
        ([], "contains no session"),
        ([chain(growing(2))], "without a time"),
        ([Session(name="a", steps=(Step(call=Call(output_tokens=1)),), begin_s=0.0)], "1 model call .* input tokens"),
        ([chain([(5, 5)], begin_s=0.0)], "single usable request"),
    ],
)
def test_what_has_no_traffic_is_refused(sessions, says):
    with pytest.raises(BadFile, match=says):
        traffic_of_sessions(trace_of(sessions))


def test_a_log_of_sessions_is_read_from_its_file(tmp_path):
    traffic = read_log(write_trace(tmp_path, TIMED))
    summary = describe(traffic)
    assert (summary.requests, summary.sessions, summary.requests_per_session) == (15, 5, 3.0)
    assert traffic.source == "sessions.jsonl (plain sessions)"


def test_reuse_follows_the_calls_that_go_on_with_others():
    """Every later turn finds the whole context before it in an endless cache."""
    traffic = traffic_of_sessions(trace_of(TIMED))
    shared = reuse(traffic)
    assert shared is not None
    calls = growing(3)
    hits = sum((i + o - 1) // 64 * 64 for i, o in calls[:-1])
    assert shared.cached_tokens(np.inf).sum() == 5 * hits


def test_openings_that_sessions_share_are_found():
    calls = (Call(input_tokens=1000, output_tokens=10, opening="system", opening_tokens=640),)
    sessions = [Session(name=n, steps=(Step(call=calls[0]),), begin_s=s) for n, s in (("a", 0.0), ("b", 9.0))]
    shared = reuse(traffic_of_sessions(trace_of(sessions)))
    assert shared is not None and shared.cached_tokens(np.inf).tolist() == [0, 640]


def test_a_part_of_a_context_is_found():
    steps = (
        Step(seconds=1.0, call=Call(input_tokens=1000, output_tokens=100)),
        Step(after=(0,), call=Call(input_tokens=900, output_tokens=10, continues=0, kept_tokens=512)),
    )
    shared = reuse(traffic_of_sessions(trace_of([Session(name="a", steps=steps, begin_s=0.0)])))
    assert shared is not None and shared.cached_tokens(np.inf).tolist() == [0, 512]


def test_reuse_is_not_that_of_the_turn_before_in_time():
    """A sub-agent that runs in between has a context of its own."""
    steps = (
        Step(seconds=1.0, call=Call(input_tokens=1000, output_tokens=100)),
        Step(after=(0,), seconds=1.0, call=Call(input_tokens=5000, output_tokens=100)),
        Step(after=(1,), seconds=1.0, call=Call(input_tokens=9000, output_tokens=10, continues=0)),
    )
    traffic = traffic_of_sessions(trace_of([Session(name="a", steps=steps, begin_s=0.0)]))
    shared = reuse(traffic)
    assert shared is not None and shared.cached_tokens(np.inf).tolist() == [0, 0, 1099 // 64 * 64]


def test_whole_sessions_of_a_part_come_back():
    traffic = traffic_of_sessions(trace_of(TIMED))
    back = sessions_between(traffic, 100.0, 300.0)
    assert [session.name for session in back] == ["1", "2"]
    assert [session.begin_s for session in back] == [0.0, 100.0]
    assert back[0].steps == TIMED[1].steps


def test_sessions_with_a_call_left_out_do_not_come_back():
    traffic = traffic_of_sessions(trace_of(TIMED))
    kept = traffic.take(np.arange(len(traffic)) != 4)
    assert [session.name for session in sessions_between(kept, 0.0, 1e4)] == ["0", "2", "3", "4"]


def test_copies_of_sessions_come_back_too():
    doubled = grown(traffic_of_sessions(trace_of(TIMED)), 2.0, seed=0)
    back = sessions_between(doubled, 0.0, 1e6)
    assert sorted(session.name for session in back) == sorted(2 * [s.name for s in TIMED])


def test_copies_have_blocks_of_their_own():
    def blocked(name: str, first: int, begin_s: float) -> Session:
        calls = (Call(input_tokens=128, output_tokens=5, blocks=(1, first)),)
        return Session(name=name, steps=tuple(Step(call=call) for call in calls), begin_s=begin_s)

    doubled = grown(traffic_of_sessions(trace_of([blocked("a", 2, 0.0), blocked("b", 3, 9.0)])), 2.0, seed=0)
    blocks = sorted(session.calls[0].blocks for session in sessions_between(doubled, 0.0, 1e6))
    assert [b[0] for b in blocks] == [1] * 4 and len({b[1] for b in blocks}) == 4


def test_requests_are_sessions_of_one_call_each():
    requests = tuple(TraceRequest(time_s=float(i), input_tokens=100, output_tokens=10, blocks=(1, i)) for i in range(3))
    trace = sessions_of_requests(Trace(file="m.jsonl", format="mooncake", requests=requests, failed=2))
    assert [session.begin_s for session in trace.sessions] == [0.0, 1.0, 2.0]
    assert trace.sessions[2].calls[0].blocks == (1, 2) and trace.sessions[0].block_tokens == 512
    assert trace.left_out == {"no prompt or no answer": 2}


def test_turns_that_follow_answers_are_one_session():
    messages = ({"role": "user", "content": "a"}, STAND_IN) * 3
    turns = tuple(
        TraceRequest(time_s=5.0, messages=messages[: 2 * i + 1], session="s", after_s=3.0 if i else None)
        for i in range(3)
    )
    (session,) = sessions_of_requests(Trace(file="x", format="f", requests=turns)).sessions
    assert [step.after for step in session.steps] == [(), (0,), (1,)]
    assert [step.wait_s for step in session.steps] == [0.0, 3.0, 3.0]
    assert [call.continues for call in session.calls.values()] == [-1, 0, 1]


def test_turns_that_are_not_those_before_them_share_nothing():
    """One converter for a run and a prediction, so both see the same context."""
    texts = ({"role": "user", "content": "a"},), ({"role": "user", "content": "b"},)
    turns = tuple(TraceRequest(messages=m, session="s", after_s=1.0 if i else None) for i, m in enumerate(texts))
    (session,) = sessions_of_requests(Trace(file="x", format="f", requests=turns)).sessions
    assert [call.continues for call in session.calls.values()] == [-1, -1]


RECORDED = {
    "whole": [{"timestamp": 10_000 * i} for i in range(5)],
    "short": [{"timestamp": 500 * i} for i in range(5)],
    "with delays": [{"timestamp": 0}, *({"timestamp": 10_000 * i, "delay": 3_000} for i in range(1, 5))],
}


@pytest.mark.parametrize("rows", RECORDED.values(), ids=RECORDED)
def test_recorded_times_are_those_of_the_traffic(tmp_path, rows):
    """Turns of Mooncake state when they began and not how long their answers took."""
    path = tmp_path / "m.jsonl"
    common = {"session_id": "a", "input_length": 10, "output_length": 5}
    path.write_text("".join(json.dumps({**common, **row}) + "\n" for row in rows), encoding="utf-8")
    traffic = read_log(path)
    assert traffic.time_s.tolist() == [row["timestamp"] / 1000 for row in rows]
    assert not any("without a recorded duration" in note for note in traffic.notes)
    (session,) = read_as_sessions(path).sessions
    assert [begin for begin, _ in session.times()] == traffic.time_s.tolist() and session.widest == 1
    # What the steps wait for leads to the same times, at answers of 1 s or, where the next one began earlier, less.
    gaps = [b["timestamp"] / 1000 - a["timestamp"] / 1000 for a, b in pairwise(rows)]
    waits = [step.wait_s for step in session.steps[1:]]
    assert waits == [
        row["delay"] / 1000 if "delay" in row else max(g - 1, 0) for g, row in zip(gaps, rows[1:], strict=True)
    ]


@pytest.mark.parametrize("file", ["tracelab.jsonl", "otel.jsonl"])
def test_dates_of_sessions_say_the_time_of_day(file):
    trace = read_as_sessions(SESSIONS / file)
    assert trace.begin_unix_s is not None and trace.begin_unix_s > 1.7e9
    traffic = read_log(SESSIONS / file)
    first_s = min(begin for s in trace.sessions for begin in ((s.begin_s or 0.0) + s.times()[c][0] for c in s.calls))
    assert traffic.day_start_s == pytest.approx((trace.begin_unix_s + first_s) % 86_400)


def test_times_from_any_zero_say_no_time_of_day(tmp_path):
    trace = read_as_sessions(write_trace(tmp_path, TIMED))
    assert trace.begin_unix_s is None and traffic_of_sessions(trace).day_start_s is None


def test_a_file_of_requests_is_read_as_sessions(tmp_path):
    path = tmp_path / "mooncake.jsonl"
    rows = [f'{{"timestamp": {i}, "input_length": 600, "output_length": 9, "hash_ids": [0, {i}]}}' for i in range(1, 4)]
    path.write_text("\n".join(rows))
    trace = read_as_sessions(path)
    assert sum(len(session.calls) for session in trace.sessions) == 3


def test_the_calls_of_a_long_session_are_listed_a_few_times(monkeypatch):
    """Listing them takes time in proportion to the steps, so once for each step would be quadratic."""
    times_listed, calls = [], Session.calls.fget
    monkeypatch.setattr(Session, "calls", property(lambda session: times_listed.append(1) or calls(session)))
    traffic = traffic_of_sessions(trace_of([chain(growing(200), begin_s=0.0)]))
    assert len(traffic) == 200 and len(times_listed) < 20
