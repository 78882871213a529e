"""A fleet is its replicas: every request is served once, by a replica that serves at the time."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import pytest

from paretoken.errors import BadConfig
from paretoken.plan.replay import replay
from paretoken.plan.routing import FLEET_POLICIES, SESSION
from paretoken.plan.staffing import FleetLoad, ReactiveScaling, StaffSchedule, fixed
from paretoken.predict.simulation.router import ROUND_ROBIN
from paretoken.predict.simulation.sources import OpenLoop
from tests.plan.fleets import SERVER, pooled, queue, traffic

REPLICAS = {"plain": lambda: queue(16, SERVER), "pools": pooled}


def source(t, chosen=slice(None)) -> OpenLoop:
    return OpenLoop(t.time_s[chosen], t.input_tokens[chosen], t.output_tokens[chosen])


@pytest.mark.parametrize("kind", REPLICAS)
@pytest.mark.parametrize("router", FLEET_POLICIES)
def test_a_fleet_of_one_is_the_replica(kind, router):
    replica, t = REPLICAS[kind](), traffic(800, 20.0)
    fleet, alone = replay(replica, t, fixed(1), router=router).run, replica.simulate(source(t))
    for name in ("first_s", "last_s", "prefilled_s", "preempted"):
        assert (getattr(fleet, name) == getattr(alone, name)).all(), name
    some = range(0, 800, 97)
    for (a, _), (b, _) in zip(fleet.token_times(some), alone.token_times(some), strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("kind", REPLICAS)
def test_replicas_in_turn_are_each_fed_their_own_share(kind):
    replica, t = REPLICAS[kind](), traffic(900, 60.0)
    fleet = replay(replica, t, fixed(3), router=ROUND_ROBIN)
    for i in range(3):
        share = slice(i, None, 3)
        alone = replica.simulate(source(t, share))
        assert (fleet.replica[share] == i).all()
        assert (fleet.run.first_s[share] == alone.first_s).all()
        assert (fleet.run.last_s[share] == alone.last_s).all()


@pytest.mark.parametrize("kind", REPLICAS)
@pytest.mark.parametrize("router", FLEET_POLICIES)
def test_every_request_is_served_once_by_a_replica_that_serves(kind, router):
    t = traffic(1500, 60.0, sessions=40)
    schedule = StaffSchedule((0.0, 5.0, 10.0, 12.0, 20.0), (2, 5, 1, 4, 2))
    fleet = replay(REPLICAS[kind](), t, schedule, router=router, cold_start_s=1.5)
    run = fleet.run
    assert len(fleet.replica) == len(t)
    assert (run.first_s >= run.due_s).all() and (run.last_s >= run.first_s).all() and (run.last_s < inf).all()
    for due_s, last_s, i in zip(run.due_s, run.last_s, fleet.replica, strict=True):
        term = fleet.terms[i]
        assert term.starts_s <= term.opens_s <= due_s <= term.closes_s <= term.ends_s
        assert last_s <= term.ends_s or term.ends_s == t.span_s
    assert max(fleet.serving()) <= 5 and fleet.gpu_hours >= schedule.replica_s(t.span_s) / 3600


def test_replicas_added_serve_after_their_cold_start_and_are_paid_from_their_start():
    t = traffic(400, 10.0)
    fleet = replay(queue(16, SERVER), t, StaffSchedule((0.0, 10.0), (1, 2)), cold_start_s=7.0)
    first, second = fleet.terms
    assert (first.starts_s, first.opens_s, second.starts_s, second.opens_s) == (0.0, 0.0, 10.0, 17.0)
    assert fleet.run.due_s[fleet.replica == 1].min() >= 17.0
    assert fleet.gpu_hours == pytest.approx((t.span_s + t.span_s - 10.0) / 3600)


def test_a_replica_that_is_not_needed_any_more_while_it_starts_never_serves():
    fleet = replay(queue(16, SERVER), traffic(400, 10.0), StaffSchedule((0.0, 5.0, 8.0), (1, 2, 1)), cold_start_s=6.0)
    assert len(fleet.terms) == 2 and (fleet.replica == 0).all()
    assert (fleet.terms[1].starts_s, fleet.terms[1].ends_s) == (5.0, 8.0)


def test_a_session_stays_at_its_replica():
    t = traffic(600, 40.0, sessions=25)
    homes = replay(queue(16, SERVER), t, fixed(4), router=SESSION).replica
    assert all(len(set(homes[t.session == s])) == 1 for s in set(t.session.tolist()))
    assert len(set(homes.tolist())) == 4


def test_more_replicas_never_make_a_tail_worse():
    t = traffic(2_000, 60.0)
    tails = [replay(queue(8, SERVER), t, fixed(n)).latencies().figures()["ttft", "p90"] for n in range(1, 7)]
    assert all(more <= fewer * 1.02 for fewer, more in pairwise(tails))
    assert tails[-1] < tails[0] / 5


def test_cached_tokens_need_no_compute():
    t = traffic(300, 5.0)
    cold, warm = (
        replay(queue(16, SERVER), t, fixed(1), cached_tokens=x).latencies().figures()["ttft", "mean"]
        for x in (np.zeros(300, dtype=np.int64), t.input_tokens - 1)
    )
    assert warm < 0.9 * cold


def test_means_by_hour():
    t = traffic(3_000, 0.4)
    fleet = replay(queue(4), t, StaffSchedule((0.0, 3600.0), (3, 1)))
    assert fleet.serving()[:2] == pytest.approx([3, 1])


def test_a_router_that_does_not_exist_is_refused():
    with pytest.raises(BadConfig, match="router policy is 'best'"):
        replay(queue(4), traffic(3, 1.0), fixed(1), router="best")


class TestStaffing:
    def test_a_schedule_begins_early_by_its_lead_and_ends_in_time(self):
        early = StaffSchedule((0.0, 100.0, 200.0), (1, 3, 2)).early(30.0)
        assert [early.at(t) for t in (0, 69, 70, 100, 199, 200)] == [1, 1, 3, 3, 3, 2]

    def test_replica_seconds(self):
        assert StaffSchedule((0.0, 100.0, 200.0), (1, 3, 2)).replica_s(250.0) == 100 + 300 + 100

    @pytest.mark.parametrize(("starts", "counts"), [((0.0, 1.0), (1,)), ((1.0,), (1,)), ((0.0,), (0,)), ((), ())])
    def test_a_schedule_that_is_none_is_refused(self, starts, counts):
        with pytest.raises(BadConfig, match="schedule"):
            StaffSchedule(starts, counts)

    def test_an_autoscaler_adds_at_once_and_removes_after_its_cooldown(self):
        scaling = ReactiveScaling(per_replica=10, start=1, interval_s=10.0, average_s=1e-3, cooldown_s=30.0)
        outstanding = [5, 45, 5, 5, 5, 5, 5]
        counts = [scaling.replicas(FleetLoad(10.0 * i, x)) for i, x in enumerate(outstanding)]
        assert counts == [1, 5, 5, 5, 5, 1, 1]

    def test_an_autoscaler_follows_the_load(self):
        quiet, rush = traffic(600, 2.0), traffic(6_000, 100.0, seed=1)
        times = np.concatenate([quiet.time_s, 300 + rush.time_s])
        both = {k: np.concatenate([getattr(x, k) for x in (quiet, rush)]) for k in ("input_tokens", "output_tokens")}
        order = np.argsort(times)
        t = type(quiet)(
            time_s=times[order],
            session=np.full(len(order), -1, dtype=np.int64),
            span_s=float(times.max()) + 1,
            source="made up",
            **{k: v[order] for k, v in both.items()},
        )
        scaling = ReactiveScaling(per_replica=10, start=1, average_s=5.0, interval_s=5.0, cooldown_s=30.0)
        fleet = replay(queue(16, SERVER), t, scaling, cold_start_s=10.0)
        assert len(fleet.terms) > 3
        assert min(term.starts_s for term in fleet.terms[1:]) >= 300
        assert fleet.gpu_hours < len(fleet.terms) * t.span_s / 3600
