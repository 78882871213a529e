"""Shares of cached tokens and their intervals: of the same calls, also those of sessions that were cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.plan import Closed
from paretoken.bench.stats.sessions.summary import LevelSessions
from paretoken.bench.stats.sessions.table import traced_sessions
from paretoken.bench.stats.summary import LevelContext, summarise
from tests.support.patience import examples
from tests.support.runs import COLUMNS
from tests.support.session_levels import call, record, records, session, session_table, tool

SHARES = ("found_share", "possible_share", "found_of_possible")
USERS = 1000
"""Far more than any level here has sessions, so none has a steady window."""
CHAIN = [call(), *(call([n], continues=n) for n in range(3))]


def level(sessions, rows, possible=None) -> LevelSessions:
    traced = traced_sessions(session_table(sessions, possible))
    made = summarise(records(*rows), Closed(USERS), LevelContext(columns=COLUMNS, traced=traced)).sessions
    assert made is not None
    return made


def test_the_calls_of_cut_sessions_are_in_the_interval_as_in_the_share():
    """20 short sessions that found 20 of 100 tokens, and 20 long ones, cut, that found 980 of 1,000 in each call."""
    sessions = [session(call()) for _ in range(20)] + [session(*CHAIN) for _ in range(20)]
    rows = [record(k, 0, k, k + 0.1, k + 0.5, cached=20) for k in range(20)]
    for k in range(20, 40):
        rows += [record(k, turn, turn, turn + 0.1, turn + 1, tokens=(1000, 10), cached=980) for turn in range(3)]
        rows.append(record(k, 3, 3, 3.1, 30, status="cancelled"))
    made = level(sessions, rows, [(50,)] * 20 + [(990,) * 4] * 20)
    assert (made.counts.done, made.counts.cut, made.span) == (20, 20, "whole run")
    cached, possible, prompt = 20 * (20 + 3 * 980), 20 * (50 + 3 * 990), 20 * (100 + 3000)
    assert made.reuse.found_share == pytest.approx(cached / prompt)
    expected = dict(zip(SHARES, (cached / prompt, possible / prompt, cached / possible), strict=True))
    for name, share in expected.items():
        interval = made.intervals[name]
        assert interval.value == pytest.approx(share) and interval.low <= share <= interval.high
        assert interval.n == 40


@st.composite
def levels(draw):
    """(sessions, rows, possible) of a level: done, failed and cut sessions, with and without a count of hits."""
    sessions, rows, possible = [], [], []
    for k in range(draw(st.integers(8, 30))):
        calls = draw(st.integers(1, 4))
        sessions.append(session(*CHAIN[:calls]))
        hits = []
        for turn in range(calls):
            prompt = draw(st.integers(1, 5000))
            status = draw(st.sampled_from(["ok", "ok", "ok", "cancelled", "http_5xx"]))
            at = 2.0 * k + 3 * turn
            cached = draw(st.integers(-1, prompt))
            rows.append(record(k, turn, at, at + 0.1, at + 1, tokens=(prompt, 5), cached=cached, status=status))
            hits.append(draw(st.integers(0, prompt)))
            if status != "ok":
                hits += [0] * (calls - turn - 1)
                break
        possible.append(hits)
    return sessions, rows, possible


@examples(60)
@given(levels())
def test_the_interval_of_any_share_contains_it(case):
    made = level(*case)
    for name in SHARES:
        share, interval = getattr(made.reuse, name), made.intervals[name]
        if interval is not None:
            assert interval.value == pytest.approx(share, rel=1e-12) and interval.low <= share <= interval.high
    for part, share in made.path.items():
        interval = made.intervals[f"path_{part}"]
        assert interval is None or interval.low <= share <= interval.high


@pytest.mark.parametrize(("planned", "possible"), [(-1, 0.5 * 130), (100, 50)])
def test_possible_is_in_the_tokens_of_the_server(planned, possible):
    """50 of 100 words of the trace; the server counts 130 tokens, and only it can count unless a length is planned."""
    rows = [record(0, 0, 0, 0.1, 0.5, tokens=(130, 5), cached=60) | {"planned_input": planned}]
    made = level([session(call(tokens=(100, 10)))], rows, [(50,)])
    assert made.reuse.possible == pytest.approx(possible)
    assert made.reuse.found_of_possible == pytest.approx(60 / possible)


def test_a_share_by_counters_has_no_interval():
    rows = [record(k, 0, k, k + 0.1, k + 0.5) for k in range(20)]
    made = level([session(call())] * 20, rows)
    assert [made.intervals[name] for name in SHARES] == [None, None, None]


@given(st.floats(0.5, 5), st.floats(0.0, 60.0), st.integers(1, 5))
def test_the_whole_run_lasts_until_sending_ended(done_s, more_s, running):
    """`running` sessions still run when the level ends; each is taken to run for another session done."""
    end_s = done_s + more_s
    rows = [record(0, 0, 0.0, 0.1, done_s)]
    rows += [record(k, 0, 0.0, 0.2, end_s, status="cancelled") for k in range(1, running + 1)]
    made = level([session(call())] * (running + 1), rows)
    assert made.span == "whole run" and made.seconds == pytest.approx(end_s, abs=3e-9)
    counted = 1 + running * end_s / (end_s + done_s)
    assert made.per_hour == pytest.approx(3600 * counted / end_s, rel=1e-6)
    in_flight = (done_s + running * end_s) / end_s
    assert made.mean_in_flight == pytest.approx(in_flight, rel=1e-6)


def test_the_tool_of_a_cut_session_does_not_lengthen_the_run():
    """A tool of 100 s that ran when the level ended does not count; one at the end of a finished session does."""
    sessions = [session(call(), tool(2.0, [0])), session(call(), tool(100.0, [0]), call([1]))]
    made = level(sessions, [record(0, 0, 0.0, 0.1, 1.0), record(1, 0, 0.0, 0.1, 2.0)])
    assert made.counts.cut == 1 and made.seconds == pytest.approx(3.0)
    assert made.per_hour == pytest.approx(1200 * (1 + 3 / 105)) and np.isclose(made.mean_in_flight, 2.0)
