"""Committed base and hourly peak: the cheapest of all mixes, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.prices.contract_mix import contract_mix
from tests.support.patience import PATIENT

DAY = [8] * 8 + [16] * 4 + [32] * 4 + [24] * 4 + [16] * 4


def usd_of(curve, committed, on_demand_usd, committed_usd, step):
    """What a base costs, hour by hour."""
    total = 0.0
    for needed in curve:
        whole = -(-needed // step) * step
        total += committed * committed_usd + max(0, whole - committed) * on_demand_usd
    return total


@settings(PATIENT)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
    st.floats(0.1, 9),
    st.floats(0.1, 9),
    st.sampled_from([1, 2, 4, 8]),
)
def test_no_other_base_is_cheaper(curve, on_demand_usd, committed_usd, step):
    mix = contract_mix(curve, on_demand_usd, committed_usd, step)
    every = [usd_of(curve, k, on_demand_usd, committed_usd, step) for k in range(0, max(curve) + 2 * step, step)]
    assert mix.usd == pytest.approx(min(every))
    assert mix.usd == pytest.approx(usd_of(curve, mix.committed_gpus, on_demand_usd, committed_usd, step))
    assert mix.usd <= min(mix.usd_all_on_demand, mix.usd_all_committed) + 1e-9
    used = sum(-(-n // step) * step for n in curve)
    assert mix.committed_gpu_hours - mix.idle_committed_gpu_hours + mix.on_demand_gpu_hours == pytest.approx(used)


def test_a_day_by_hand():
    """GPUs 1-8 are needed in 24 hours of 24, 9-16 in 16, 17-24 in 8, 25-32 in 4; a GPU turns at 3/5 of the hours."""
    mix = contract_mix(DAY, 5.0, 3.0)
    assert mix.committed_gpus == 16 and mix.turns_at_share == 0.6
    assert (mix.committed_gpu_hours, mix.on_demand_gpu_hours, mix.idle_committed_gpu_hours) == (384, 96, 64)
    assert (mix.usd, mix.usd_all_on_demand, mix.usd_all_committed) == (1632, 2080, 2304)


def test_at_equal_cost_a_gpu_is_rented_by_the_hour():
    assert contract_mix([1, 0], 4.0, 2.0).committed_gpus == 0
    assert contract_mix([1, 0], 4.0, 1.99).committed_gpus == 1


def test_an_idle_curve_costs_nothing():
    mix = contract_mix(np.zeros(24), 4.0, 2.0)
    assert (mix.committed_gpus, mix.usd) == (0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], 4, 2), "it has none"),
        (([1, -2], 4, 2), "hour 1 of the load curve needs -2 GPUs"),
        (([1.5], 4, 2), "hour 0 of the load curve needs 1.5 GPUs"),
        (([float("nan")], 4, 2), "needs nan GPUs"),
        (([1], 0, 2), "on-demand price is 0"),
        (([1], 4, float("inf")), "committed price is inf"),
        (([1], 4, 2, 0), "steps of 0"),
    ],
)
def test_mistakes(arguments, says):
    with pytest.raises(BadConfig, match=says):
        contract_mix(*arguments)
