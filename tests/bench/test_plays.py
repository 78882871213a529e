"""The bookkeeping of sessions that run, on a made-up clock."""

from __future__ import annotations

import gc
import weakref
from heapq import heappop, heappush

from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.client.pace import Requests, Users
from paretoken.bench.client.play import Plays
from paretoken.sessions.flow import flow_of
from paretoken.sessions.graph import Session
from tests.support.sessions import ScriptedSession, call, graphs, session, tool

MS = 1_000_000


def planned(graph: Session, number: int = 0, **more) -> ScriptedSession:
    return ScriptedSession(number, flow_of(graph, more.pop("idle_cap_s", None)), lambda s, c: [], **more)


def run(graph: Session, lasts_ns: list[int], cap_s: float | None = None) -> tuple[dict[int, int], int]:
    """When each call is due, and the end of the session, if each call is sent when it is due and lasts `lasts_ns`."""
    plays, running, due_ns, over = Plays(), [], {}, None
    plays.begin(planned(graph, idle_cap_s=cap_s), -1, 0)
    while plays.running:
        due = plays.next_ns()
        if running and (due is None or running[0][0] <= due):
            end, _, prepared = heappop(running)
            over = plays.ended(prepared, "ok", None, end, 0)
            continue
        prepared, _, due = plays.pop()
        assert prepared.turn not in due_ns
        due_ns[prepared.turn] = due
        heappush(running, (due + lasts_ns[prepared.turn], prepared.turn, prepared))
    return due_ns, over.tail_ns


def times(graph: Session, lasts_ns: list[int], cap_s: float | None) -> list[int]:
    """When each call is due: its end less its duration."""
    ends = step_ends(graph, lasts_ns, cap_s)
    return [ends[step] - lasts_ns[call] for call, step in enumerate(graph.calls)]


def step_ends(graph: Session, lasts_ns: list[int], cap_s: float | None) -> list[int]:
    """When each step ends: step by step, as the graph is defined."""
    ends, calls = [], iter(lasts_ns)
    for step in graph.steps:
        wait, seconds = (s if cap_s is None else min(s, cap_s) for s in (step.wait_s, step.seconds or 0.0))
        begin = max((ends[parent] for parent in step.after), default=0) + round(wait * 1e9)
        ends.append(begin + (next(calls) if step.call is not None else round(seconds * 1e9)))
    return ends


@given(graphs(), st.data(), st.none() | st.floats(0, 0.5))
def test_every_call_is_sent_once_when_all_that_it_waits_for_has_ended(graph, data, cap_s):
    lasts = [data.draw(st.integers(0, 10**9)) for _ in graph.calls]
    due, _ = run(graph, lasts, cap_s)
    assert [due[n] for n in range(len(graph.calls))] == times(graph, lasts, cap_s)


@given(graphs(), st.data())
def test_after_a_failure_nothing_that_waits_is_sent_and_the_session_ends_with_what_runs(graph, data):
    plays, running, sent = Plays(), [], 0
    plays.begin(planned(graph), 3, 0)
    fails = data.draw(st.integers(0, len(graph.calls) - 1))
    failed = over = None
    while over is None:
        if plays.next_ns() is not None and (not running or data.draw(st.booleans())):
            assert failed is None
            running.append(plays.pop()[0])
            sent += 1
            continue
        prepared = running.pop(data.draw(st.integers(0, len(running) - 1)))
        status = "http_5xx" if prepared.turn == fails else "ok"
        failed = failed or (status != "ok" or None)
        over = plays.ended(prepared, status, None, 1, 0)
    assert not running and not plays.running and over.user == 3
    assert over.failed == (failed is not None) and not over.cut
    assert over.failed or sent == len(graph.calls)


def test_what_waits_at_the_end_of_a_level_is_cut_and_did_not_fail():
    plays = Plays()
    chain = session(call(), call(0, wait_s=1.0))
    for number in range(2):
        plays.begin(planned(chain, number), number, 0)
    first, other = plays.pop()[0], plays.pop()[0]
    assert plays.ended(first, "ok", None, 5, 0) is None and plays.next_ns() == 5 + 10**9
    assert plays.close() == 1 and plays.next_ns() is None
    over = plays.ended(other, "ok", None, 9, 0)
    assert over.cut and not over.failed and not plays.running


def test_a_cut_request_cuts_its_session():
    plays = Plays()
    plays.begin(planned(session(call(), call(0))), -1, 0)
    over = plays.ended(plays.pop()[0], "cancelled", None, 5, 0)
    assert over.cut and not over.failed


def test_a_user_waits_for_the_tools_that_end_its_session():
    plays, users = Plays(), Users([7], 20 * MS)
    users.pop()
    plays.begin(planned(session(call(), tool(0, seconds=0.5))), 7, 0)
    over = plays.ended(plays.pop()[0], "ok", None, 100, 0)
    assert over.tail_ns == 100 + 500 * MS
    assert not users.ended(7, 150, not over.failed, over.wait_ns, over.tail_ns - 150)
    assert users.pop() == (100 + 520 * MS, 7)


def test_a_user_waits_for_tools_beside_all_calls_of_its_session():
    plays = Plays()
    plays.begin(planned(session(call(), tool(seconds=0.5), tool(0, seconds=0.1))), 7, 30 * MS)
    assert plays.ended(plays.pop()[0], "ok", None, 60 * MS, 0).tail_ns == 530 * MS
    plays.begin(planned(session(call(), tool(seconds=0.5), tool(0, seconds=0.1))), 7, 30 * MS)
    assert plays.ended(plays.pop()[0], "ok", None, 600 * MS, 0).tail_ns == 700 * MS


@given(graphs(), st.data(), st.none() | st.floats(0, 0.5))
def test_a_session_ends_with_the_last_of_its_steps(graph, data, cap_s):
    lasts = [data.draw(st.integers(0, 10**9)) for _ in graph.calls]
    assert run(graph, lasts, cap_s)[1] == max(step_ends(graph, lasts, cap_s))


def test_requests_are_built_ahead_where_answers_do_not_matter_else_when_their_time_is_known():
    chain = session(call(), call(0, wait_s=0.1), call(1, 0))
    for own in (False, True):
        plays, one = Plays(), planned(chain, own_answers=own)
        plays.begin(one, -1, 0)
        first = plays.pop()[0]
        while plays.build():
            pass
        assert one.built == ([0] if own else [1])
        plays.ended(first, "ok", {"content": "x"}, 1, 0)
        while plays.build():
            pass
        assert one.built == ([0, 1] if own else [1]) and one.answers == {0: {"content": "x"}}


def test_requests_ahead_have_a_limit_in_bytes():
    plays, chain = Plays(most_bytes=2), session(call(), call(0), call(1))
    sessions = [planned(chain, number) for number in range(5)]
    first = []
    for one in sessions:
        plays.begin(one, -1, 0)
        first.append(plays.pop()[0])
    assert [plays.build() for _ in range(3)] == [True, True, False] and plays.ready_bytes == 2
    assert [one.built for one in sessions] == [[1], [1], [], [], []]
    plays.ended(first[0], "ok", None, 1, 0)
    plays.pop()
    assert plays.ready_bytes == 1 and plays.build() and not plays.build()
    plays.ended(first[1], "timeout", None, 1, 0)  # what was built for it is dropped
    assert plays.ready_bytes == 1 and plays.build() and not plays.build()
    assert [one.built for one in sessions] == [[1], [1], [1], [1], []]


def test_a_session_that_is_over_is_in_no_queue():
    plays = Plays()
    one = planned(session(call(), call(wait_s=9.0)), own_answers=True)
    plays.begin(one, -1, 0)
    assert plays.ended(plays.pop()[0], "timeout", None, 1, 0).failed and not plays.running
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None and plays.next_ns() is None and not plays.build()


def test_sessions_are_taken_up_to_their_number_and_their_first_requests_are_built_ahead():
    made = [planned(session(call(), call(), call(0)), n) for n in range(9)]
    requests = Requests(iter(made), sessions=3)
    assert requests.fill(2) and [one.built for one in made[:3]] == [[0, 1], [0, 1], []]
    assert [requests.take() for _ in range(4)] == [*made[:3], None]
    assert requests.exhausted and not requests.used_up
