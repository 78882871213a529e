"""The feed of sessions: when requests are due, against a plain walk over steps, and against an open loop."""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.predict.simulation.feed import feed_of
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import OpenLoop, session_load
from paretoken.sessions.graph import Call, Session, Step
from tests.predict.test_simulation import STEP
from tests.support.patience import examples
from tests.support.session_graphs import played, sessions

LIMITS = SchedulerLimits(max_num_seqs=4, max_batched_tokens=64, kv_blocks=400, block_tokens=4)


def fed(load, seconds):
    """The feed after a server that takes `seconds` of each request, however many come at once."""
    heap: list[tuple[float, int, int]] = []
    feed = feed_of(load, [0.0] * len(seconds), lambda arrival: heappush(heap, (arrival[0], 1, arrival[1])))
    feed.open()
    while heap:
        at_s, begins, request = heappop(heap)
        if begins:
            heappush(heap, (at_s + seconds[request], 0, request))
        else:
            feed.ended(request, at_s)
    return feed


@examples(60)
@given(sessions(), st.integers(0, 3), st.sampled_from([None, 0.1]), st.integers(0, 2**32))
def test_requests_are_due_when_all_that_they_wait_for_has_ended(graphs, users, cap_s, seed):
    rng = np.random.default_rng(seed)
    begin_s = np.sort(rng.uniform(0, 1, len(graphs)))
    graphs = [replace(s, begin_s=float(at)) for s, at in zip(graphs, begin_s, strict=True)]
    load = session_load(graphs, users=users or None, idle_cap_s=cap_s)
    seconds = rng.uniform(0.01, 0.5, len(load.input_tokens)).tolist()
    feed = fed(load, seconds)
    due, begins = played(graphs, users, seconds, begin_s, cap_s)
    np.testing.assert_allclose(feed.due, due, atol=1e-7)
    np.testing.assert_allclose(feed.begin_s, begins, atol=1e-7)
    assert not any(feed.missing) and not any(feed.left)
    assert set(feed.user) <= (set(range(users)) if users else {-1})


@examples(30)
@given(sessions(), st.integers(1, 3))
def test_a_simulation_is_that_of_an_open_loop_at_the_times_it_found(graphs, users):
    run = simulate(STEP, LIMITS, session_load(graphs, users=users))
    due, _ = played(graphs, users, (run.last_s - run.due_s).tolist())
    np.testing.assert_allclose(run.due_s, due, atol=1e-7)
    order = np.argsort(run.due_s, kind="stable")
    again = simulate(STEP, LIMITS, OpenLoop(run.due_s[order], run.input_tokens[order], run.output_tokens[order]))
    np.testing.assert_allclose(again.first_s, run.first_s[order])
    np.testing.assert_allclose(again.last_s, run.last_s[order])


def test_a_session_without_a_call_keeps_its_user_for_as_long_as_its_tools_run():
    tool = Session(name="tool", steps=(Step(seconds=3.0),))
    call = Session(name="call", steps=(Step(call=Call(input_tokens=3, output_tokens=2)),))
    run = simulate(STEP, LIMITS, session_load([tool, call, tool, tool, call], users=1))
    assert len(run.last_s) == 2 and run.due_s[0] == pytest.approx(3.0)
    assert run.due_s[1] == pytest.approx(run.last_s[0] + 6.0)
    assert np.isfinite(run.last_s).all()
