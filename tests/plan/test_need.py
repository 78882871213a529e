"""Replicas by hour as a bill needs them: short hours, loads that grow, and factors on the size."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from types import SimpleNamespace

import numpy as np
import pytest

from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import CoarseCapacity
from paretoken.plan.fleet_size import FleetScale, FleetSize, HourGroup
from paretoken.plan.need import coarse_need, need_of
from paretoken.predict.deployment import Deployment
from paretoken.traffic.traffic import Traffic

TP4 = FleetCandidate(Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4))


def by_hour(*requests: int, span_s: float) -> Traffic:
    """So many requests in each hour, evenly."""
    times = [i * 3600 + (j + 0.5) / n * min(3600, span_s - i * 3600) for i, n in enumerate(requests) for j in range(n)]
    n = len(times)
    return Traffic(
        time_s=np.array(times),
        input_tokens=np.full(n, 100),
        output_tokens=np.full(n, 10),
        session=np.full(n, -1),
        span_s=span_s,
        source="made up",
    )


def capacity(requests_per_h: float) -> CoarseCapacity:
    return CoarseCapacity(candidate=TP4, capacity_s=requests_per_h / 3600, first_to_fail="tpot=50ms")


class TestClosedForm:
    # 250 requests in the first hour, 90 in the half hour that follows: 180 an hour; a replica serves 100 an hour
    need = coarse_need(capacity(100), by_hour(250, 90, span_s=5400), spares=1, cold_start_s=600)

    def test_replicas_serve_the_rate_of_their_hour(self):
        assert self.need.replicas == (3, 2)
        assert self.need.utilisation == pytest.approx((250 / 300, 180 / 200))

    def test_gpu_hours_by_hand(self):
        assert self.need.fixed_gpu_hours == pytest.approx((3 + 1) * 4 * 1.5)
        assert self.need.scheduled_gpu_hours == pytest.approx((3 * 1 + 2 * 0.5 + 1 * 1.5) * 4)
        assert self.need.foresight_gpu_hours == pytest.approx((3 * 1 + 2 * 0.5) * 4)

    def test_a_short_last_hour_counts_as_what_it_is(self):
        assert self.need.used_gpu_hours == pytest.approx((250 / 100 * 1 + 180 / 100 * 0.5) * 4)

    def test_a_replica_starts_early_by_its_cold_start(self):
        rising = coarse_need(capacity(100), by_hour(100, 250, span_s=7200), spares=0, cold_start_s=600)
        assert rising.replicas == (1, 3)
        assert rising.scheduled_gpu_hours == pytest.approx((1 + 3 + 2 * 600 / 3600) * 4)
        assert rising.foresight_gpu_hours == pytest.approx((1 + 3) * 4)

    def test_an_empty_hour_keeps_a_replica(self):
        idle = coarse_need(capacity(100), by_hour(100, 0, 100, span_s=10_800), spares=0, cold_start_s=0)
        assert idle.replicas == (1, 1, 1) and idle.utilisation[1] == 0


class TestFactors:
    need = TestClosedForm.need

    def test_the_fixed_fleet_follows_whole_replicas_of_the_peak(self):
        # 2.5 replicas' load: 3 replicas and a spare until 1.2 times it, 2 of them at 0.8, 6 at 2.4
        factors = self.need.fixed_factors(np.array([0.8, 1.0, 1.2, 1.21, 2.4, inf]))
        assert factors == pytest.approx([3 / 4, 1, 1, 5 / 4, 7 / 4, inf])

    def test_the_fleet_of_each_hour_by_hand(self):
        # at 1.2: 3 and 3 replicas (2.16), of 3 and 2; the second hour is half an hour
        factors = self.need.scheduled_factors(np.array([1.0, 1.2]))
        now = (3 + 0.5 * 2) / 1.5 + 1
        assert factors == pytest.approx([1, ((3 + 0.5 * 3) / 1.5 + 1) / now])

    def test_a_replica_that_idles_absorbs_a_large_error(self):
        idle = coarse_need(capacity(100), by_hour(8, span_s=3600), spares=1, cold_start_s=0)
        assert idle.fixed_factors(np.array([0.1, 1, 12])) == pytest.approx([1, 1, 1])
        assert idle.fixed_factors(np.array([13.0])) == pytest.approx([3 / 2])

    @pytest.mark.parametrize(("efficiency", "replicas"), [(1.0, 1), (1.4, 1), (1.4, 2), (1.3, 12), (0.8, 12)])
    def test_replicas_are_those_of_the_scale(self, efficiency, replicas):
        scale = FleetScale(0.03, efficiency, replicas)
        need = replace(self.need, scale=scale, peaks_s=(0.02, 0.01), replicas=(1, 1), spares=0)
        factors = np.geomspace(0.1, 60, 200)
        assert need.fixed_factors(factors).tolist() == [scale.needed(0.02 * f) for f in factors]

    def test_more_load_never_needs_fewer(self):
        factors = np.linspace(0.2, 5, 50)
        for made in (self.need.fixed_factors(factors), self.need.scheduled_factors(factors)):
            assert (np.diff(made) >= 0).all()


def sized(hours: tuple[int, ...], loads: tuple[float, ...], peaks: tuple[float, ...]) -> SimpleNamespace:
    """A simulated fleet of replicas that serve 1 request/s each."""
    group = HourGroup(first=0, stop=1, requests=1, load_s=loads[0], peak_s=peaks[0])
    check = SimpleNamespace(group=group, replicas=hours[0])
    size = FleetSize(
        hours=hours, loads_s=loads, peaks_s=peaks, checks=(check,), capacity_s=1.0, limit_s=1.0, efficiency=1.0
    )
    gpu_hours = SimpleNamespace(gpu_hours=1.0, rented=tuple(map(float, hours)))
    return SimpleNamespace(
        candidate=TP4, size=size, span_s=7200.0, fixed=gpu_hours, scheduled=gpu_hours, foresight_gpu_hours=1.0
    )


def test_a_fleet_for_more_load_is_sized_by_the_peaks_of_the_hours():
    fleet = sized((4, 3), (2.0, 1.0), (3.9, 2.2))
    assert need_of(fleet, 1, 0.0).replicas == (4, 3)
    grown = need_of(fleet, 1, 0.0, 1.5)
    assert grown.replicas == (6, 4)  # 3.9 and 2.2 times 1.5, up
    assert grown.peaks_s == pytest.approx((5.85, 3.3)) and grown.scale == FleetScale(1.0, 1.0, 4)


@pytest.mark.parametrize("factor", [1.001, 1.1, 1.5, 3.0])
def test_a_fleet_for_more_load_is_never_smaller(factor):
    fleet = sized((4, 3), (2.0, 1.0), (3.9, 2.2))
    assert all(a >= b for a, b in zip(need_of(fleet, 1, 0.0, factor).replicas, fleet.size.hours, strict=True))
