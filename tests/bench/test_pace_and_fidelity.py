"""Pacing, balancing and the client's judgement of itself, without a server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.client.balance import chooser
from paretoken.bench.client.fidelity import Delays, WorkerTally, judge, without_merges
from paretoken.bench.client.pace import Requests, Schedule, Users
from paretoken.bench.plan import Prepared


def test_ways_to_balance():
    assert [chooser("round_robin", [1, 1])([0, 0]) for _ in range(1)] == [0]
    choose = chooser("weighted", [2, 1])
    assert [choose([0, 0]) for _ in range(6)].count(0) == 4
    least = chooser("least_outstanding", [1, 1, 1])
    assert least([2, 0, 1]) == 1
    assert sorted(least([0, 0, 0]) for _ in range(3)) == [0, 1, 2]


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


def test_a_remedy_that_limits_share_is_said_once():
    busy = WorkerTally(cpu_s=9.9, wall_s=10.0, started=100, late_firsts=20, token_reads=100, late_merged_reads=10)
    reasons = judge([busy], closed=True, steal=0.0).reasons
    assert len(reasons) == 3 and [r.count("use --workers 2") for r in reasons] == [0, 0, 1]


def test_merged_reads_say_nothing_of_the_client_where_answers_come_in_one_piece():
    merged = WorkerTally(cpu_s=1.0, wall_s=10.0, started=100, late_firsts=20, token_reads=100, late_merged_reads=10)
    verdict = judge([merged], closed=True, steal=0.0)
    assert verdict.client_limited and not without_merges(verdict).client_limited
    assert without_merges(judge([merged], closed=True, steal=0.2)).client_limited
