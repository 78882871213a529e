"""The bills of a plan by hand, and the draws of their intervals."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf

import numpy as np
import pytest

from paretoken.answers.plan.bills import DayOfWork, bills_of, normals, probability_cheaper
from paretoken.answers.plan.gpu_prices import DRAWS, Z90, GpuPrice
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import CoarseCapacity
from paretoken.plan.need import FleetNeed, coarse_need
from paretoken.predict.deployment import Deployment
from paretoken.traffic.traffic import Traffic

ONES = np.ones(DRAWS)
TP4 = FleetCandidate(Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4))


def price(contract: str, usd: float, spread: float = 1.0) -> GpuPrice:
    billing = "always" if contract in ("own", "1-year", "3-year") else "hourly"
    return GpuPrice(
        contract=contract, billing=billing, usd=usd, low=usd / spread, high=usd * spread, basis=f"price of {contract}"
    )


def need(*requests: int, spares: int = 0, per_h: float = 100.0) -> FleetNeed:
    """A fleet of replicas of 4 GPUs for the requests of each hour; a replica serves `per_h` an hour."""
    n = sum(requests)
    traffic = Traffic(
        time_s=np.concatenate([i * 3600 + (np.arange(k) + 0.5) * 3600 / max(k, 1) for i, k in enumerate(requests)]),
        input_tokens=np.full(n, 900),
        output_tokens=np.full(n, 100),
        session=np.full(n, -1),
        span_s=3600.0 * len(requests),
        source="made up",
    )
    capacity = CoarseCapacity(candidate=TP4, capacity_s=per_h / 3600, first_to_fail="tpot=50ms")
    return coarse_need(capacity, traffic, spares, 0.0)


class TestBillsByHand:
    # 100 requests in each of 18 hours, 300 in each of 6, of 1,000 tokens each: 1 replica of 4 GPUs, then 3
    day = need(*([100] * 18 + [300] * 6))
    work = DayOfWork(tokens=3.6e6, tasks=1200, hours=24)

    def bills(self, *prices: GpuPrice, **kw):
        made = bills_of(kw.get("need", self.day), prices, kw.get("work", self.work), kw.get("factors", ONES))
        return {b.contract: b for b in made.bills}, made

    def test_fixed_and_by_the_hour(self):
        bills, _ = self.bills(price("on-demand", 3.0))
        fixed, hourly = bills["on-demand, fixed"], bills["on-demand, by the hour"]
        assert (fixed.gpu_hours_per_day, fixed.usd_per_day) == pytest.approx((12 * 24, 864))
        assert (hourly.gpu_hours_per_day, hourly.usd_per_day) == pytest.approx((4 * 18 + 12 * 6, 432))
        assert (hourly.usd_per_mtok, hourly.usd_per_task) == pytest.approx((432 / 3.6, 432 / 1200))
        # 144 GPU-hours are used of 288, and all of 144
        assert (fixed.idle_usd_per_day, hourly.idle_usd_per_day) == pytest.approx((432, 0))

    def test_what_bills_every_hour_is_fixed_alone(self):
        bills, _ = self.bills(price("own", 1.5), price("3-year", 2.0))
        assert {c: b.usd_per_day for c, b in bills.items()} == pytest.approx({"own, fixed": 432, "3-year, fixed": 576})

    def test_a_committed_base_and_the_rest_by_the_hour(self):
        bills, _ = self.bills(price("on-demand", 3.0), price("1-year", 2.0))
        mixed = bills["1-year and on-demand"]
        # 4 GPUs are needed in all hours and committed: 96 at 2; 8 in a quarter of them, below 2/3: 48 at 3
        assert (mixed.gpu_hours_per_day, mixed.usd_per_day) == pytest.approx((144, 96 * 2 + 48 * 3))
        assert mixed.usd_per_gpu_h == pytest.approx(336 / 144)
        assert mixed.basis == "4 GPUs 1-year, price of 1-year; the rest on-demand, price of on-demand"
        assert list(bills) == sorted(bills, key=lambda c: bills[c].usd_per_day) and next(iter(bills)) == mixed.contract

    def test_no_mix_where_one_contract_is_all(self):
        assert "1-year and on-demand" not in self.bills(price("on-demand", 3.0), price("1-year", 3.5))[0]
        flat, work = need(*[100] * 24), DayOfWork(tokens=2.4e6, tasks=2400, hours=24)
        bills, _ = self.bills(price("on-demand", 3.0), price("1-year", 2.0), need=flat, work=work)
        assert set(bills) == {"on-demand, fixed", "1-year, fixed"}

    def test_spares_are_billed_and_idle(self):
        spare = need(*([100] * 18 + [300] * 6), spares=1)
        bills, _ = self.bills(price("own", 1.0), need=spare)
        bill = bills["own, fixed"]
        assert (bill.usd_per_day, bill.idle_usd_per_day) == pytest.approx((16 * 24, 16 * 24 - 144))

    def test_a_part_of_a_day_is_billed_as_a_day(self):
        part = need(100, 300)
        bills, _ = self.bills(price("on-demand", 1.0), need=part, work=DayOfWork(tokens=1.0, tasks=1.0, hours=2.0))
        assert bills["on-demand, by the hour"].usd_per_day == pytest.approx((4 + 12) * 12)

    def test_without_a_price(self):
        bills, made = self.bills()
        assert bills == {} and not np.isfinite(made.draws).any()

    def test_an_idle_replica_absorbs_the_error_of_the_prediction(self):
        idle = need(*[5] * 24)
        factors = np.where(np.arange(DRAWS) % 2, 15.0, 0.1)
        bills, made = self.bills(price("own", 1.0), need=idle, factors=factors)
        assert bills["own, fixed"].usd_per_day_90 == pytest.approx((96, 96)) and set(made.draws) == {96.0}
        bills, _ = self.bills(price("own", 1.0), need=idle, factors=factors * 2)
        assert bills["own, fixed"].usd_per_day_90 == pytest.approx((96, 192))

    def test_where_no_draw_meets_the_limits_there_is_no_interval(self):
        bill = self.bills(price("own", 1.0), factors=ONES * inf)[0]["own, fixed"]
        assert bill.usd_per_day_90 is bill.usd_per_task_90 is bill.usd_per_mtok_90 is None
        assert bill.usd_per_day == pytest.approx(12 * 24)

    def test_the_interval_is_that_of_the_price_where_the_size_is_certain(self):
        bills, made = self.bills(price("own", 1.5, spread=2.0))
        low, high = bills["own, fixed"].usd_per_day_90
        assert low == pytest.approx(432 / 2, rel=0.05) and high == pytest.approx(432 * 2, rel=0.05)
        assert bills["own, fixed"].usd_per_task_90 == pytest.approx((low / 1200, high / 1200))
        assert np.median(made.draws) == pytest.approx(432, rel=0.05)


class TestDraws:
    def test_a_stream_has_its_own_draws_each_time_the_same(self):
        assert (normals("a") == normals("a")).all()
        assert abs(np.corrcoef(normals("a"), normals("b"))[0, 1]) < 0.05

    def test_equal_fleets(self):
        one, other = exp(1) * np.exp(normals("one")), exp(1) * np.exp(normals("other"))
        assert probability_cheaper(one, one) == 0.5
        assert probability_cheaper(one, other) == pytest.approx(0.5, abs=0.03)
        assert probability_cheaper(one, other) + probability_cheaper(other, one) == pytest.approx(1)

    def test_a_fleet_that_certainly_costs_half(self):
        assert probability_cheaper(np.full(DRAWS, 100.0), np.full(DRAWS, 200.0)) == 1
        assert probability_cheaper(np.full(DRAWS, 200.0), np.full(DRAWS, 100.0)) == 0

    def test_prices_are_lognormal_on_each_side(self):
        p = replace(price("own", 2.0), low=1.0, high=8.0)
        assert p.draws(np.array([-Z90, 0.0, Z90])) == pytest.approx([1.0, 2.0, 8.0])
