"""The fewest replicas of every hour: enough, and one fewer is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretoken.errors import BadConfig
from paretoken.plan.autoscale import by_hour, foresight, reactive, whole_fixed, without_one
from paretoken.plan.fleet_size import FleetScale
from paretoken.plan.hours import FleetSizer, first_that
from paretoken.plan.latencies import ratios
from paretoken.plan.lengths import split_by_length
from paretoken.plan.load_curve import load_curve
from paretoken.plan.replay import replay
from paretoken.plan.sample import traffic_sample
from paretoken.plan.staffing import fixed
from paretoken.slo import parse_slos
from paretoken.traffic.traffic import HOUR_S, Traffic
from tests.plan.fleets import SERVER, queue, traffic

SLOS = parse_slos("ttft_p90=300ms,tpot_p90=12ms")
REPLICA = queue(8, SERVER)


def day(rates: tuple[float, ...], seed: int = 0, part: float = 0.1) -> Traffic:
    """Traffic of `rates` requests per second, one per hour. Only the last `part` of an hour has requests."""
    rng, times = np.random.default_rng(seed), []
    for hour, rate in enumerate(rates):
        n = rng.poisson(rate * HOUR_S * part)
        times.append(np.sort(rng.uniform((hour + 1 - part) * HOUR_S, (hour + 1) * HOUR_S, n)))
    made = traffic(sum(map(len, times)), 1.0, seed)
    return replace(made, time_s=np.concatenate(times), span_s=len(rates) * HOUR_S)


def sizer(t: Traffic, slos=SLOS, **other) -> FleetSizer:
    sample = traffic_sample(t, requests=3_000)
    return FleetSizer(
        replica=REPLICA, traffic=t, slos=slos, curve=load_curve(REPLICA, sample, slos), sample=sample, **other
    )


def steady(rate_s: float, seed: int = 0, n: int = 2_000) -> Traffic:
    return traffic(n, rate_s, seed)


@pytest.mark.slow
def test_the_number_is_enough_and_one_fewer_is_not():
    s = sizer(day((8.0, 30.0, 12.0), part=0.025))
    size = s.size(every_hour=True)
    assert len(size.checks) == 3 and size.replicas == size.hours[1]
    for check in size.checks:
        assert check.worst <= 1 and check.share == 1
        assert check.replicas == 1 or s.check(check.group, check.replicas - 1).worst > 1
    assert size.hours[1] > size.hours[0]
    estimated = s.size()
    assert len(estimated.checks) == 1 and max(abs(np.subtract(estimated.hours, size.hours))) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rate_s", [6.0, 23.0])
def test_doubled_traffic_never_needs_fewer_replicas(seed, rate_s):
    needs = [sizer(steady(rate_s * x, seed)).size().replicas for x in (1, 2, 4)]
    assert needs == sorted(needs)
    assert needs[2] > needs[0]


@pytest.mark.slow
def test_a_sampled_check_is_near_the_whole():
    t = steady(150.0, n=6_000)
    whole, sampled = sizer(t).size(), sizer(t, budget=1_500).size()
    assert sampled.checks[0].share < 0.5
    assert abs(sampled.replicas - whole.replicas) <= max(2, 0.15 * whole.replicas)


def burst() -> Traffic:
    """An hour that is half empty, with 60 s of ten times the requests of the rest, which are too few to be typical."""
    t = traffic(7_800, 1.0)
    rng = np.random.default_rng(5)
    times = np.sort(np.concatenate([rng.uniform(1_800, 3_600, 5_800), rng.uniform(2_710, 2_770, 2_000)]))
    return replace(t, time_s=times, span_s=HOUR_S)


@pytest.mark.slow
def test_a_sample_has_the_bursts_of_its_hour():
    t = burst()
    whole, sampled = sizer(t), sizer(t, budget=600)
    size, of_sample = whole.size(), sampled.size()
    assert of_sample.sampled and not size.sampled
    assert of_sample.replicas >= size.replicas
    assert whole.check(whole.groups()[0], of_sample.replicas).worst <= 1


@pytest.mark.slow
def test_the_busiest_part_has_the_most_work():
    t = burst()
    t.output_tokens[t.time_s < 2_700] *= 40  # few requests, and much to do
    start_s, stop_s = sizer(t, ())._busiest(0.0, HOUR_S, 0.05)
    assert stop_s - start_s == pytest.approx(180) and 1_750 < start_s < stop_s < 2_750


@pytest.mark.slow
def test_few_replicas_of_whole_hours_say_what_all_do():
    t = burst()
    all_of_them, few = sizer(t).size(), sizer(t, budget=600, whole_hours=True).size()
    assert few.checks[0].share == pytest.approx(4 / few.replicas)
    assert all_of_them.replicas <= few.replicas <= all_of_them.replicas * 1.25


@pytest.mark.slow
def test_limits_that_nothing_meets_say_what_a_light_load_has():
    with pytest.raises(BadConfig, match=r"misses TPOT p50 ≤ 1 ms at any load: it is [5-9]\.\d+ ms at best"):
        sizer(steady(5.0, n=800), parse_slos("tpot=1ms,ttft=10")).size()


@pytest.mark.slow
def test_quiet_hours_are_judged_with_their_neighbours():
    t = day((0.1, 0.1, 4.0, 0.1, 4.0, 0.1))
    s = FleetSizer(
        replica=REPLICA,
        traffic=t,
        slos=parse_slos("ttft_p95=1"),
        curve=load_curve(REPLICA, traffic_sample(t, requests=500)),
        sample=traffic_sample(t, requests=500),
    )
    groups = s.groups()
    assert [(g.first, g.stop) for g in groups] == [(0, 3), (3, 6)]
    assert sum(g.requests for g in groups) == len(t)
    few = replace(s, slos=parse_slos("ttft_p999=1")).groups()
    assert [(g.first, g.stop) for g in few] == [(0, 6)]


@pytest.mark.slow
def test_longer_requests_are_more_load_at_the_same_rate():
    t = day((4.0, 4.0))
    t.output_tokens[t.hour_of() == 1] *= 3
    light, heavy = (g.load_s for g in sizer(t, ()).groups())
    assert heavy > 1.8 * light


@pytest.fixture(scope="module")
def sized():
    s = sizer(day((8.0, 40.0, 12.0), part=0.05))
    return s, s.size()


class TestFollowing:
    @pytest.mark.slow
    def test_a_fixed_fleet_meets_the_limits_in_every_hour(self, sized):
        s, size = sized
        fleet = whole_fixed(s, size, spares=1)
        assert not fleet.missed and fleet.worst <= 1
        assert len(fleet.run.terms) == size.replicas + 1
        assert fleet.gpu_hours == pytest.approx((size.replicas + 1) * 3)

    @pytest.mark.slow
    def test_a_schedule_costs_less_and_serves_when_it_is_needed(self, sized):
        s, size = sized
        fleet = by_hour(s, size, cold_start_s=240.0)
        assert not fleet.missed
        assert fleet.gpu_hours < 3 * size.replicas
        assert fleet.run.serving() == pytest.approx(fleet.schedule.counts, abs=0.2)
        first = min(t.starts_s for t in fleet.run.terms if t.starts_s)
        assert first == HOUR_S - 240.0

    @pytest.mark.slow
    def test_perfect_foresight_needs_fewer_hours_than_the_fixed_fleet(self, sized):
        s, size = sized
        bound = foresight(s, size)
        assert bound.replica_s(s.traffic.span_s) / HOUR_S < 3 * size.replicas / 2
        assert min(bound.counts) == 1

    @pytest.mark.slow
    def test_a_reactive_fleet_says_whether_it_meets_the_limits(self, sized):
        s, size = sized
        fast, slow = (reactive(s, size, cold_start_s=x, rooms=(0.8, 0.5)) for x in (5.0, 900.0))
        assert slow.worst > 1 and 1 in slow.missed
        assert fast.worst < slow.worst
        assert fast.gpu_hours < 3 * size.replicas

    @pytest.mark.slow
    def test_a_spare_makes_up_for_a_lost_replica(self, sized):
        s, size = sized
        assert max(without_one(s, size, spares=1).values()) <= 1 < max(without_one(s, size, spares=0).values())


class TestScale:
    @pytest.mark.parametrize("scale", [FleetScale(2.0), FleetScale(2.0, 1.5, 4), FleetScale(2.0, 0.8, 4)])
    def test_the_number_needed_is_the_fewest_that_serve_the_load(self, scale):
        for load in np.linspace(0.1, 60, 90).tolist():
            n = scale.needed(load)
            assert scale.able_s(n) >= load * (1 - 1e-6)
            assert n == 1 or scale.able_s(n - 1) < load
        assert [scale.able_s(n) for n in range(1, 20)] == sorted(scale.able_s(n) for n in range(1, 20))

    def test_the_gain_of_many_is_that_of_the_busiest_hour(self):
        assert FleetScale(2.0, 1.5, 4).able_s(4) == 12 and FleetScale(2.0, 1.5, 4).able_s(1) == 2


@pytest.mark.parametrize("answer", [1, 2, 7, 8, 9, 40])
@pytest.mark.parametrize("start", [1, 8, 30])
def test_the_fewest_that_are_enough(answer, start):
    tried = []

    def enough(n: int) -> bool:
        tried.append(n)
        return n >= answer

    assert first_that(enough, start, 1, 32) == min(answer, 33)
    assert len(tried) == len(set(tried)) and set(tried) <= set(range(1, 33))


def test_requests_are_split_by_their_length():
    t = traffic(500, 10.0)
    short, long = split_by_length(t, 600)
    total = t.input_tokens + t.output_tokens
    assert len(short) + len(long) == 500 and short.span_s == long.span_s == t.span_s
    assert (short.input_tokens + short.output_tokens).max() <= 600 < (long.input_tokens + long.output_tokens).min()
    assert sorted(np.concatenate([short.time_s, long.time_s])) == t.time_s.tolist()
    with pytest.raises(BadConfig, match=r"all 500 requests have more than 1 token"):
        split_by_length(t, 1)
    with pytest.raises(BadConfig, match=r"no request has more than [0-9,]+ tokens"):
        split_by_length(t, int(total.max()))


@pytest.mark.slow
@pytest.mark.parametrize(("rate_s", "replicas"), [(6.0, 1), (12.0, 2), (20.0, 3)])
def test_a_small_fleet_has_the_room_that_faster_requests_show(rate_s, replicas):
    t = steady(rate_s)
    size = sizer(t).size()
    assert size.replicas == replicas
    room = size.scale.able_s(replicas) / size.peaks_s[0]

    def worst(pace: float) -> float:
        faster = replace(t, time_s=t.time_s / pace, span_s=t.span_s / pace)
        return max(ratios(replay(REPLICA, faster, fixed(replicas)).latencies().figures(), SLOS).values())

    assert worst(0.93 * room) <= 1 < worst(1.07 * room)
