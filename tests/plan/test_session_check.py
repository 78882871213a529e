"""The replay of a fleet's sessions: turns after answers, hits as found, and how many replicas would be enough."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.plan import session_replay
from paretoken.plan.replica import Replica
from paretoken.plan.session_check import check_sessions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker
from paretoken.slo import parse_slos
from paretoken.traffic.sessions import traffic_of_sessions
from tests.plan.fleets import BY_HAND, pooled, session_by_hand, traffic
from tests.support.recorded_sessions import chain, growing, trace_of

EASY = parse_slos("ttft_p99=100s")


def fleet(replicas: int, *, kv_blocks: int = 100_000, replica: Replica | None = None) -> SimpleNamespace:
    """A sized fleet as the check reads it."""
    limits = SchedulerLimits(max_num_seqs=64, max_batched_tokens=100_000, kv_blocks=kv_blocks)
    return SimpleNamespace(
        replica=replica or Replica(server=Worker(BY_HAND, limits)),
        size=SimpleNamespace(hours=(replicas,) * 24),
        candidate=SimpleNamespace(deployment=SimpleNamespace(engine="vllm")),
    )


def sessions(count: int, every_s: float, turns: int = 3):
    return [chain(growing(turns), name=str(i), begin_s=every_s * i, call_s=0.1) for i in range(count)]


def checked(fleet, recorded, slos=EASY, **options):
    hours = fleet.size.hours
    return check_sessions(fleet, hours, traffic_of_sessions(trace_of(recorded)), slos, load_catalog(), **options)


def test_turns_wait_for_the_answers_of_the_fleet_not_of_the_trace():
    """Sessions far apart run alone: three calls by hand, hits in whole blocks of 16, and two tools of 2 s."""
    check = checked(fleet(1), sessions(20, every_s=60.0))
    calls, hits, alone_s = session_by_hand()
    assert check.session_s == pytest.approx((alone_s, alone_s))
    assert check.hit_share == pytest.approx(sum(hits) / sum(i for i, _ in calls))
    assert (check.sessions, check.calls, check.needed, check.met) == (20, 60, 1, True)


def test_without_a_prefix_cache_nothing_is_found():
    assert checked(fleet(1), sessions(10, every_s=60.0), prefix_cache=False).hit_share == 0


def test_a_fleet_that_is_too_small_learns_how_many_replicas_are_enough():
    crowd, slos = sessions(300, every_s=0.1), parse_slos("ttft_p90=1s")
    check = checked(fleet(2), crowd, slos)
    assert not check.met and check.needed == 3 and max(check.ratios.values()) > 1
    assert checked(fleet(3), crowd, slos).met
    assert checked(fleet(1), crowd, slos).needed is None


def test_of_a_large_fleet_a_share_is_simulated(monkeypatch):
    monkeypatch.setattr(session_replay, "MOST_CALLS", 300)
    check = checked(fleet(40), sessions(400, every_s=2.0))
    assert check.share == pytest.approx(0.25) and check.replicas == 40
    assert check.calls == pytest.approx(300, abs=6)


def test_sessions_of_the_hour_before_fill_the_replicas_and_do_not_count():
    quiet = [chain(growing(3), name=f"q{i}", begin_s=600.0 * i, call_s=0.1) for i in range(6)]
    busy = [chain(growing(3), name=f"b{i}", begin_s=3600 + 30.0 * i, call_s=0.1) for i in range(100)]
    check = checked(fleet(1), [*quiet, *busy])
    assert check.hour == 1 and check.sessions == 100 and check.calls == 300


def test_there_is_no_replay_without_sessions_that_wait_or_of_two_pools():
    assert check_sessions(fleet(1), (1,), traffic(50, 1.0), EASY, load_catalog()) is None
    assert checked(fleet(1, replica=pooled()), sessions(4, every_s=9.0)) is None
