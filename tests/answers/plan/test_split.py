"""Short and long requests in fleets of their own, limits of power and of GPUs, contracts without a price."""

from __future__ import annotations

import pytest

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.run import plan
from paretoken.errors import BadConfig, NoData

MIX = {
    "rate": "2/s",
    "isl": "lognormal:1500:1.0:1:30000",
    "osl": "lognormal:200:0.6:1:2000",
    "model": "llama-3-70b",
    "precisions": ("fp8",),
    "slo": "ttft_p95=3s,tpot=60ms",
    "accelerators": ("H200",),
    "engines": ("vllm",),
    "price_usd_per_gpu_h": {"H200": 3.0},
    "contracts": ("on-demand",),
    "coarse": True,
}


def question(**changes: object) -> PlanQuestion:
    return PlanQuestion(**MIX | changes)


def test_two_fleets_are_one_row_with_the_sum_of_their_gpus_and_bills():
    answer = plan(question(split_tokens=4000))
    (split,) = [r for r in answer.rows if r.pools]
    assert split.pools[0].startswith("up to 4,000 tokens: ") and split.pools[1].startswith("longer: ")
    assert split.spares == 2 and split.replicas >= 2
    assert split.bills[0].usd_per_day == pytest.approx(split.gpus * 24 * 3.0, rel=1e-9)
    others = [r for r in answer.rows if r is not split]
    assert others and [r.rank for r in answer.rows] == list(range(1, len(answer.rows) + 1))
    assert len(split.commands) == 2 * len(others[0].commands)


def test_two_fleets_without_a_price_by_the_hour_have_no_cost_of_foresight():
    answer = plan(question(split_tokens=4000, price_usd_per_gpu_h={}, contracts=("own",)))
    assert len(answer.rows) > 1 and all(r.foresight_usd_per_day is None for r in answer.rows)


def test_every_part_of_a_split_has_requests():
    with pytest.raises(BadConfig, match="no request has more than 90,000 tokens"):
        plan(question(split_tokens=90_000))


def test_a_limit_of_utility_power_leaves_fleets_out():
    within = plan(question(mw=1.0))
    assert all(r.tok_s_per_mw and r.tok_s_per_mw > 0 for r in within.rows)
    with pytest.raises(NoData, match="MW of utility power"):
        plan(question(mw=0.002))


def test_tokens_per_megawatt_are_those_of_the_traffic_over_the_power_of_the_fleet():
    best = plan(question()).rows[0]
    half = plan(question(growth=0.5)).rows[0]
    assert best.tok_s_per_mw / half.tok_s_per_mw == pytest.approx(2 * half.gpus / best.gpus, rel=0.05)


def test_contracts_without_a_price_are_named():
    notes = plan(question(contracts=("on-demand", "3-year", "own"))).notes
    assert notes == ("no 3-year price: H200",)
