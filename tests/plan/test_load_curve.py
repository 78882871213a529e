"""The curve of one replica: what it reads from its points, and that its points are what the replica does."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from paretoken.plan.latencies import Latencies, meets
from paretoken.plan.load_curve import STABLE_LOAD, LoadCurve, LoadPoint, load_curve, load_point, saturated_s
from paretoken.plan.sample import traffic_sample
from paretoken.slo import parse_slos
from tests.plan.fleets import SERVER, queue, slower, traffic

TPOT = parse_slos("tpot_p90=50ms")


def curve(*points: tuple[float, float, float], stable: bool = True) -> LoadCurve:
    """Points of rate, p90 of TTFT and of TPOT; the last one may be too much."""
    made = [
        LoadPoint(
            rate_s=rate,
            figures={("ttft", "p90"): ttft, ("tpot", "p90"): tpot},
            batch=rate,
            stable=stable or i < len(points) - 1,
            requests=1,
        )
        for i, (rate, ttft, tpot) in enumerate(points)
    ]
    return LoadCurve(tuple(made))


class TestReading:
    points = ((1.0, 0.1, 0.01), (2.0, 0.2, 0.02), (4.0, 0.8, 0.08))

    def test_latencies_between_points_are_geometric_means(self):
        assert curve(*self.points).latency_s("tpot", "p90", 3.0) == pytest.approx(0.04)
        assert curve(*self.points).latency_s("tpot", "p90", 0.2) == pytest.approx(0.01)
        assert curve(*self.points).latency_s("tpot", "p90", 4.1) == inf

    @pytest.mark.parametrize(
        ("limits", "capacity", "first"),
        [
            ("tpot_p90=40ms", 3.0, "tpot_p90=40ms"),
            ("tpot_p90=40ms,ttft_p90=0.2", 2.0, "ttft_p90=0.2"),
            ("tpot_p90=1s", 4.0, STABLE_LOAD),
            ("tpot_p90=9ms", 0.0, "tpot_p90=9ms"),
            ("", 4.0, STABLE_LOAD),
        ],
    )
    def test_capacity_is_where_the_first_limit_is_reached(self, limits, capacity, first):
        c, slos = curve(*self.points), parse_slos(limits)
        assert c.capacity_s(slos) == pytest.approx(capacity)
        assert c.first_to_fail(slos) == first

    def test_a_load_that_is_too_much_is_no_capacity(self):
        c = curve(*self.points, stable=False)
        assert c.limit_s == c.capacity_s(parse_slos("tpot_p90=1s")) == 2.0

    def test_a_latency_that_falls_counts_as_level(self):
        c = curve((1.0, 0.1, 0.03), (2.0, 0.1, 0.02), (3.0, 0.1, 0.06))
        assert c.latency_s("tpot", "p90", 2.0) == pytest.approx(0.03)

    def test_slower_steps_lower_rate_and_bound_alike(self):
        c = curve(*self.points)
        assert c.capacity_s(TPOT, 2.0) == pytest.approx(c.capacity_s(parse_slos("tpot_p90=25ms")) / 2)

    def test_limits_that_a_light_load_exceeds_are_unmet(self):
        slos = parse_slos("tpot_p90=9ms,ttft_p90=1")
        assert curve(*self.points).unmet(slos) == {slos[0]: pytest.approx(0.01)}

    def test_no_stable_point_is_no_capacity(self):
        assert curve((1.0, 0.1, 0.01), stable=False).capacity_s(TPOT) == 0


class TestSample:
    t = traffic(5_000, 5.0)

    @pytest.mark.parametrize("rate", [0.01, 1.0, 50.0])
    def test_the_rate_is_exact_and_lengths_are_pairs_of_the_traffic(self, rate):
        source = traffic_sample(self.t).at(rate, 1_000)
        assert source.due_s[-1] == pytest.approx(1_000 / rate)
        pairs = set(zip(self.t.input_tokens.tolist(), self.t.output_tokens.tolist(), strict=True))
        assert set(zip(source.input_tokens.tolist(), source.output_tokens.tolist(), strict=True)) <= pairs

    def test_every_rate_has_the_same_requests(self):
        sample = traffic_sample(self.t)
        assert (sample.at(0.3, 500).output_tokens == sample.at(3.0, 500).output_tokens).all()

    def test_lengths_are_spread_as_in_the_traffic(self):
        sample = traffic_sample(self.t, requests=500)
        total, whole = (x.input_tokens + x.output_tokens for x in (sample, self.t))
        assert np.quantile(total, [0.1, 0.5, 0.9, 0.99]) == pytest.approx(
            np.quantile(whole, [0.1, 0.5, 0.9, 0.99]), rel=0.05
        )

    def test_bursts_of_the_traffic_reach_a_replica_of_its_own_and_fade_in_a_small_share(self):
        bursts = replace(self.t, time_s=np.sort(np.floor(self.t.time_s / 10) * 10))
        sample = traffic_sample(bursts)

        def together(rate_s: float) -> float:
            return float((np.diff(sample.at(rate_s, 2_000).due_s) == 0).mean())

        assert together(20.0) > 0.9
        assert together(sample.peak_s / 200) < 0.3

    def test_arrivals_of_a_small_share_are_poisson(self):
        gaps = np.diff(traffic_sample(self.t).at(0.05, 4_000).due_s)
        assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.05)


@pytest.mark.slow
class TestSimulated:
    replica = queue(32, SERVER)
    sample = traffic_sample(traffic(20_000, 50.0))

    def test_the_capacity_meets_the_limits_and_a_little_more_does_not(self):
        slos = parse_slos("ttft_p90=300ms,tpot_p90=12ms")
        c = load_curve(self.replica, self.sample, slos)
        capacity_s = c.capacity_s(slos)
        at, above = (load_point(self.replica, self.sample, capacity_s * x, slos, fewest=4_000) for x in (0.97, 1.1))
        assert meets(at.figures, slos) and not meets(above.figures, slos)
        assert c.simulated < 30_000

    def test_without_limits_the_capacity_is_the_stable_load(self):
        c = load_curve(self.replica, self.sample)
        assert c.first_to_fail(()) == STABLE_LOAD
        assert 0.8 < c.limit_s / saturated_s(self.replica, self.sample) < 1.1
        assert [p.rate_s for p in c.points] == sorted(p.rate_s for p in c.points)
        assert not c.points[-1].stable

    @pytest.mark.parametrize("factor", [0.7, 1.5])
    def test_slower_steps_have_the_latencies_that_the_curve_says(self, factor):
        c = load_curve(self.replica, self.sample)
        rate_s = 0.4 * c.limit_s
        run = queue(32, slower(factor)).simulate(self.sample.at(rate_s, 4_000))
        simulated = Latencies.of(run, slice(1_000, 3_600)).figures()
        for key in (("tpot", "p50"), ("tpot", "p90"), ("ttft", "p50"), ("e2e", "p90")):
            assert factor * c.latency_s(*key, factor * rate_s) == pytest.approx(simulated[key], rel=0.08), key
