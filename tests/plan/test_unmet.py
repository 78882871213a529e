"""Limits that nothing meets, in words, and the nearest that are met."""

from __future__ import annotations

import pytest

from paretoken.plan.unmet import nearest_met, shortfall, why_unmet
from paretoken.slo import parse_slos

SLOS = parse_slos("ttft_p99=1ms,tpot=50ms,e2e=1s,interactivity_p90=5000")
TTFT, TPOT, E2E, SPEED = SLOS


def test_what_is_missed_and_by_how_much():
    assert why_unmet({TPOT: 0.0968}) == "misses TPOT p50 ≤ 50 ms at any load: it is 96.8 ms at best"
    assert why_unmet({TTFT: 1.234, SPEED: 0.008}) == (
        "misses TTFT p99 ≤ 1 ms, interactivity p90 ≥ 5,000 tok/s at any load: they are 1.23 s, 125 tok/s at best"
    )


@pytest.mark.parametrize("value", [0.0961, 0.0999, 0.1, 1.21, 9.99, 12.3, 0.00041])
def test_the_nearest_is_met_and_near(value):
    unmet = {TTFT: value, E2E: value, SPEED: value}
    near = parse_slos(nearest_met(SLOS, unmet))
    assert [(s.metric, s.statistic) for s in near] == [(s.metric, s.statistic) for s in SLOS]
    assert near[1] == TPOT
    for limit in (near[0], near[2], near[3]):
        assert value * (1 - 1e-9) <= limit.bound_s <= value * 1.12


def test_the_nearest_as_text():
    assert nearest_met(SLOS, {TTFT: 0.101, SPEED: 0.00801}) == "ttft_p99=110ms,tpot=50ms,e2e=1s,interactivity_p90=120"


def test_the_shortfall_is_that_of_the_worst_limit():
    assert shortfall({TTFT: 0.1, E2E: 2.0}) == pytest.approx(100)
    assert shortfall({}) == 0
