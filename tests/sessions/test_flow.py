"""When calls of a session are due, against the longest way through its graph."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.sessions.flow import NS, FlowState, flow_of
from paretoken.sessions.graph import Call, Session, Step
from tests.support.patience import examples

SECONDS = st.sampled_from([0.0, 0.5, 2.0, 7.25])


@st.composite
def graphs(draw):
    """(session, seconds of each call): calls and tools in any order, each after any earlier steps."""
    steps, lasts = [], []
    for i in range(draw(st.integers(1, 9))):
        after = tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else ()
        is_call = draw(st.booleans())
        seconds = draw(SECONDS)
        steps.append(
            Step(
                after=after,
                wait_s=draw(SECONDS),
                seconds=None if is_call else seconds,
                call=Call(input_tokens=1, output_tokens=1) if is_call else None,
            )
        )
        lasts.append(seconds)
    return Session(name="task", steps=tuple(steps)), lasts


def longest_way(session, lasts, cap):
    """(begin of each call, end of the session) in seconds, step by step."""
    ends, begins = [], {}
    for i, step in enumerate(session.steps):
        begin = max((ends[p] for p in step.after), default=0.0) + min(step.wait_s, cap)
        if step.call is not None:
            begins[i] = begin
        ends.append(begin + (lasts[i] if step.call is not None else min(lasts[i], cap)))
    return begins, ends


@examples(200)
@given(graphs(), st.sampled_from([None, 1.0, 3.0]))
def test_calls_are_due_when_the_longest_way_to_them_ends(graph, cap):
    session, lasts = graph
    flow = flow_of(session, cap)
    state, due = FlowState(flow), {}
    agenda = [(at + round(lasts[flow.steps[call]] * NS), call, at) for call, at in state.begin(0)]
    heapify(agenda)
    ended = {}
    while agenda:
        at, call, begun = heappop(agenda)
        due[flow.steps[call]], ended[call] = begun, at
        for child, child_at in state.ended(call, at):
            heappush(agenda, (child_at + round(lasts[flow.steps[child]] * NS), child, child_at))
    begins, ends = longest_way(session, lasts, float("inf") if cap is None else cap)
    assert due == {i: round(at * NS) for i, at in begins.items()}
    assert state.running == 0
    over = max([flow.least_ns, *ended.values(), *(ended[call] + gap for call, gap in flow.tails)])
    assert over == round(max(ends) * NS)


def test_tools_that_wait_for_no_call_keep_a_session_for_as_long_as_they_run():
    call = Call(input_tokens=1, output_tokens=1)
    steps = (
        Step(seconds=40.0),
        Step(wait_s=2.0, seconds=3.0),
        Step(after=(1,), call=call),
        Step(after=(1,), wait_s=50),
    )
    session = Session(name="", steps=steps)
    assert [flow_of(session, cap).least_ns for cap in (None, 45.0, 1.0)] == [55 * NS, 50 * NS, 3 * NS]
    assert flow_of(session).tails == () and flow_of(session).root_ns == (5 * NS,)


def test_nothing_that_waits_is_sent_after_a_failure():
    call = Call(input_tokens=1, output_tokens=1)
    session = Session(name="", steps=(Step(call=call), Step(call=call), Step(after=(0,), call=call)))
    state = FlowState(flow_of(session))
    assert [call for call, _ in state.begin(0)] == [0, 1]
    state.failed()
    assert state.ended(0, 5) == [] and state.running == 0


@pytest.mark.parametrize(("cap", "due_s"), [(None, 63.0), (1.0, 2.0)])
def test_idle_cap_shortens_waits_and_tools(cap, due_s):
    call = Call(input_tokens=1, output_tokens=1)
    steps = (Step(call=call), Step(after=(0,), wait_s=3.0, seconds=60.0), Step(after=(1,), call=call))
    state = FlowState(flow_of(Session(name="", steps=steps), cap))
    state.begin(0)
    assert state.ended(0, 0) == [(1, round(due_s * NS))]
