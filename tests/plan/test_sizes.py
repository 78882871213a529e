"""From the error of a prediction to the size of a fleet: a curve whose capacities are known by hand."""

from __future__ import annotations

from math import inf, log
from statistics import NormalDist

import numpy as np
import pytest

from paretoken.plan.fleet_size import FleetCheck, FleetSize, HourGroup
from paretoken.plan.load_curve import LoadCurve, LoadPoint
from paretoken.plan.sizes import fleet_scales, size_factors
from paretoken.plan.uncertainty import E2E, TPOT, TTFT, LatencyError
from paretoken.predict.calibration.bands import NORMAL_90
from paretoken.slo import parse_slos


def point(rate_s: float, ttft_s: float, tpot_s: float) -> LoadPoint:
    figures = {("ttft", "p50"): ttft_s, ("tpot", "p50"): tpot_s}
    return LoadPoint(rate_s=rate_s, figures=figures, batch=1.0, stable=True, requests=1)


CURVE = LoadCurve((point(1.0, 0.1, 0.01), point(10.0, 1.0, 0.1)))
"""Latencies grow tenfold from 1 to 10 requests/s: their logarithm is linear in the rate."""
ERROR = LatencyError({TTFT: (-log(2), log(2)), TPOT: (-log(1.5), log(1.5)), E2E: (-log(1.5), log(1.5))}, ())
ZERO = np.zeros(1)
END = np.array([NORMAL_90])


def rate(tpot_s: float) -> float:
    return 1 + 9 * log(tpot_s / 0.01) / log(10)


def test_without_an_error_the_size_is_as_predicted():
    for slo in ("ttft=0.5s", "tpot=50ms", "ttft=0.5s,tpot=50ms"):
        assert size_factors(CURVE, parse_slos(slo), ERROR, ZERO, ZERO) == pytest.approx([1.0], rel=0.01)


def test_slower_steps_by_hand():
    # 1.5 times as slow: a rate r loads it as 1.5 r does, where TPOT may be 50 ms / 1.5
    (factor,) = size_factors(CURVE, parse_slos("tpot=50ms"), ERROR, ZERO, END)
    assert factor == pytest.approx(rate(0.05) / (rate(0.05 / 1.5) / 1.5), rel=0.01)


def test_an_error_of_ttft_changes_no_other_limit():
    limits = parse_slos("tpot=50ms")
    assert size_factors(CURVE, limits, ERROR, END, ZERO) == pytest.approx([1.0], rel=0.01)
    (factor,) = size_factors(CURVE, parse_slos("ttft=0.5s"), ERROR, END, ZERO)
    assert factor == pytest.approx(rate(0.05) / rate(0.025), rel=0.01)  # TTFT is ten times TPOT


def test_the_nearest_limit_decides():
    both, tpot, ttft = (
        size_factors(CURVE, parse_slos(slo), ERROR, END, END)[0]
        for slo in ("ttft=0.5s,tpot=50ms", "tpot=50ms", "ttft=0.5s")
    )
    assert both == pytest.approx(max(tpot, ttft))


def test_no_size_is_enough_where_even_a_light_load_misses_the_limit():
    assert size_factors(CURVE, parse_slos("tpot=11ms"), ERROR, ZERO, END)[0] == inf


def test_a_larger_error_never_needs_a_smaller_fleet():
    draws = np.linspace(-2, 2, 41)
    factors = size_factors(CURVE, parse_slos("ttft=0.5s,tpot=50ms"), ERROR, draws, draws)
    assert (np.diff(factors) >= -1e-9).all() and factors[0] < 1 < factors[-1]


@pytest.mark.parametrize("slo", ["ttft=0.5s", "tpot=100s"])
def test_slower_steps_lower_every_rate(slo):
    """Also that of a limit of TTFT, and that which a replica keeps up with."""
    assert size_factors(CURVE, parse_slos(slo), ERROR, ZERO, END) == pytest.approx([1.5], rel=0.01)


LIMITS = parse_slos("ttft=0.8s,tpot=50ms")


def fleet(ttft_s: float, tpot_s: float, room: float = 1.25) -> FleetSize:
    """Four replicas with latencies of their replay, which serve `room` times the load of the peak."""
    able_s = CURVE.capacity_s(LIMITS) * 4
    group = HourGroup(first=0, stop=1, requests=1, load_s=able_s / room, peak_s=able_s / room)
    replayed = dict(zip(LIMITS, (ttft_s / 0.8, tpot_s / 0.05), strict=True))
    check = FleetCheck(group=group, replicas=4, figures={}, ratios=replayed, share=1.0, outstanding=1.0)
    return FleetSize(
        hours=(4,),
        loads_s=(group.load_s,),
        peaks_s=(group.peak_s,),
        checks=(check,),
        capacity_s=able_s / 4,
        limit_s=CURVE.limit_s,
        efficiency=1.0,
    )


@pytest.mark.parametrize(("ttft_s", "tpot_s"), [(0.2, 0.02), (0.6, 0.02), (0.5, 0.045), (0.75, 0.01)])
def test_the_probability_is_that_of_the_replayed_latencies(ttft_s, tpot_s):
    """P(SLO) by hand: a limit holds up to an error of its bound over the value that the replay had."""
    size, normal = fleet(ttft_s, tpot_s), NormalDist(0, 1 / NORMAL_90)
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((2, 200_000))
    scales = fleet_scales(size, CURVE, LIMITS)
    (at_rate,) = {size.rate_each_s(0)}
    assert scales[LIMITS[0]] * CURVE.latency_s("ttft", "p50", at_rate) == pytest.approx(ttft_s)
    still = LatencyError({TTFT: ERROR.ends[TTFT], TPOT: (-1e-9, 1e-9), E2E: (-1e-9, 1e-9)}, ())
    within = size_factors(CURVE, LIMITS, still, *draws, scales) <= 1.25
    assert within.mean() == pytest.approx(normal.cdf(log(0.8 / ttft_s) / log(2)), abs=0.01)


def test_a_draw_without_an_error_has_the_room_of_the_replay():
    for ttft_s, tpot_s in ((0.2, 0.02), (0.799, 0.0499), (0.05, 0.049)):
        size = fleet(ttft_s, tpot_s)
        (factor,) = size_factors(CURVE, LIMITS, ERROR, ZERO, ZERO, fleet_scales(size, CURVE, LIMITS))
        assert factor <= 1.25 + 1e-9


def test_slower_steps_miss_the_limit_that_the_replay_had_near():
    """At the fleet's rate r, steps f times as slow give TPOT f times that of the rate f r: by hand on the curve."""
    size = fleet(0.01, 0.03)
    r, worst = size.rate_each_s(0), 1.0
    while 0.03 * worst * 10 ** (r * (worst - 1) / 9) <= 0.05:
        worst += 1e-4
    steps = np.linspace(-NORMAL_90, NORMAL_90, 2_001)
    within = size_factors(CURVE, LIMITS, ERROR, np.zeros(2_001), steps, fleet_scales(size, CURVE, LIMITS)) <= 1.25
    assert np.exp(steps[within][-1] / NORMAL_90 * log(1.5)) == pytest.approx(worst, rel=0.01)
