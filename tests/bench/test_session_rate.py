"""Sessions per hour against closed forms: users who always have a session finish users / session time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.plan import Closed
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.sessions.measured import measured_sessions
from paretoken.bench.stats.sessions.rate import SessionRate
from paretoken.bench.stats.sessions.span import SessionSpan
from paretoken.bench.stats.sessions.table import traced_sessions
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.slo import MEASURED, parse_slos
from tests.support.runs import COLUMNS
from tests.support.session_levels import S, call, record, records, session, session_table

TABLE = session_table([session(call(), call(after=(0,)))])
TIME_S = 6.0


def session_of(number: int, user: int, begin_s: float, time_s: float = TIME_S, status: str = "ok") -> list[dict]:
    """Two calls, the second of which begins after a third of the session."""
    middle = begin_s + time_s / 3
    first = record(number, 0, begin_s, begin_s + 0.1, middle)
    second = record(number, 1, middle, middle + 0.1, begin_s + time_s, status=status)
    return [row | {"user": user} for row in (first, second)]


def level_of(users: int, each: int) -> list[dict]:
    """Users who begin 0.7 s apart, each with `each` sessions of 6 s in a row."""
    return [
        row
        for user in range(users)
        for k in range(each)
        for row in session_of(k * users + user, user, user * 0.7 + k * TIME_S)
    ]


def played(rows: list[dict]):
    return measured_sessions(sample(records(*rows)), traced_sessions(TABLE))


@pytest.mark.parametrize("users", [1, 2, 4])
@pytest.mark.parametrize("each", [3, 9])
def test_users_with_constant_sessions_finish_users_over_session_time(users, each):
    context = LevelContext(columns=COLUMNS, slos=parse_slos("session=7s", MEASURED), traced=traced_sessions(TABLE))
    level = summarise(records(*level_of(users, each)), Closed(users), context)
    truth = users / TIME_S * 3600
    if level.sessions.span == "whole run":  # until the last user ends, who began last
        truth *= each * TIME_S / (each * TIME_S + (users - 1) * 0.7)
    assert level.sessions.per_hour == pytest.approx(truth, rel=1e-6)
    assert level.goodput.sessions.per_hour == pytest.approx(truth, rel=1e-6)
    assert level.sessions.per_gpu_hour == pytest.approx(truth, rel=1e-6)
    assert level.sessions.mean_in_flight == pytest.approx(truth * TIME_S / 3600, rel=1e-6)
    interval = level.sessions.intervals["sessions_per_hour"]
    if users * each >= 8:
        assert [interval.low, interval.value, interval.high] == pytest.approx([truth] * 3, rel=1e-6)


@given(start=st.floats(3, 25), length=st.floats(0.5, 25))
def test_no_begin_and_end_of_the_span_lose_or_gain_sessions(start, length):
    rows = level_of(2, 9)
    span = SessionSpan(name="window", start_ns=round(start * S), end_ns=round((start + length) * S))
    assert SessionRate.of(played(rows), span).per_hour() == pytest.approx(2 / TIME_S * 3600, rel=1e-6)


def test_adjacent_spans_count_every_session_once():
    rows = [*session_of(0, 0, 0.0, 5.0), *session_of(1, 0, 5.0, 9.0), *session_of(2, 1, 1.0, 20.0)]
    edges = [0, 3, 4, 11, 21]
    spans = [SessionSpan(name="window", start_ns=a * S, end_ns=b * S) for a, b in pairwise(edges)]
    counts = [SessionRate.of(played(rows), span).per_hour() * span.seconds / 3600 for span in spans]
    assert sum(counts) == pytest.approx(3)


def test_failed_sessions_count_for_nothing_and_slow_ones_are_not_good():
    rows = [*session_of(0, 0, 0.0), *session_of(1, 1, 0.0, 12.0), *session_of(2, 0, 6.0, 6.0, status="http_5xx")]
    rate = SessionRate.of(played(rows), SessionSpan(name="whole run", start_ns=0, end_ns=12 * S))
    assert rate.per_hour() == pytest.approx(2 / 12 * 3600) and rate.in_flight == pytest.approx(2)
    assert rate.per_hour(7.0) == pytest.approx(1 / 12 * 3600)


def test_a_cut_session_lasts_as_long_as_the_others_or_that_much_longer():
    done = session_of(0, 0, 0.0)
    span = SessionSpan(name="whole run", start_ns=0, end_ns=12 * S)
    half = SessionRate.of(played([*done, *session_of(1, 0, 6.0, 3.0, status="cancelled")]), span)
    assert half.per_hour() == pytest.approx((1 + 3 / 6) / 12 * 3600)
    late = SessionRate.of(played([*done, *session_of(1, 1, 0.0, 12.0, status="cancelled")]), span)
    assert late.per_hour() == pytest.approx((1 + 12 / 18) / 12 * 3600) and late.per_hour(7.0) == pytest.approx(
        1 / 12 * 3600
    )
    assert SessionRate.of(played(session_of(0, 0, 0.0, 3.0, status="cancelled")), span).per_hour() == 0


def test_the_interval_covers_the_rate_of_random_sessions():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(60):
        times = rng.gamma(4.0, 1.5, (2, 40))
        begins = np.cumsum(times, axis=1) - times
        rows = [
            row
            for user in range(2)
            for k in range(40)
            for row in session_of(2 * k + user, user, float(begins[user, k]), float(times[user, k]))
        ]
        span = SessionSpan(name="window", start_ns=10 * S, end_ns=130 * S)
        interval = SessionRate.of(played(rows), span).interval(rng)
        covered += interval.low <= 2 / 6.0 * 3600 <= interval.high
    assert covered >= 50
