"""From the error of a prediction to the size of a fleet: a curve whose capacities are known by hand."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest

from paretoken.plan.load_curve import LoadCurve, LoadPoint
from paretoken.plan.sizes import size_factors
from paretoken.plan.uncertainty import E2E, TPOT, TTFT, LatencyError
from paretoken.predict.calibration.bands import NORMAL_90
from paretoken.slo import parse_slos


def point(rate_s: float, ttft_s: float, tpot_s: float) -> LoadPoint:
    figures = {("ttft", "p50"): ttft_s, ("tpot", "p50"): tpot_s}
    return LoadPoint(rate_s=rate_s, figures=figures, batch=1.0, busy=0.5, goodput_s=rate_s, stable=True, requests=1)


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
