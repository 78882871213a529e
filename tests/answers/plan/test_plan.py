"""`plan`: bills by hand, draws, the ranking, what is never fewer, and questions and answers as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from math import exp, inf, isfinite
from pathlib import Path

import numpy as np
import orjson
import pytest

from paretoken.answers.market import Market
from paretoken.answers.plan.bills import DRAWS, DayOfWork, bills_of, normals, probability_cheaper
from paretoken.answers.plan.gpu_prices import Z90, GpuPrice, contract_named, gpu_prices
from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.run import plan
from paretoken.answers.plan.words import availability, headline
from paretoken.answers.prediction import PredictionData
from paretoken.answers.seam import json_schema, question_from_json, to_json
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.coarse import CoarseCapacity
from paretoken.plan.need import FleetNeed, coarse_need
from paretoken.predict.deployment import Deployment
from paretoken.slo import parse_slos
from paretoken.traffic.traffic import Traffic
from tests.support.plans import row

DAY = date(2026, 11, 24)
ONES = np.ones(DRAWS)
TP4 = FleetCandidate(Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4))


def price(contract: str, usd: float, spread: float = 1.0) -> GpuPrice:
    billing = "always" if contract in ("own", "1-year", "3-year") else "hourly"
    return GpuPrice(
        contract=contract, billing=billing, usd=usd, low=usd / spread, high=usd * spread, basis=f"price of {contract}"
    )


def need(*requests: int, spares: int = 0, per_h: float = 100.0) -> FleetNeed:
    """A fleet of replicas of 4 GPUs for so many requests in each hour, each replica serves 100 an hour."""
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


@pytest.fixture(scope="module")
def shipped() -> Market:
    return Market.of(question(), load_catalog())


class TestPrices:
    def prices(self, shipped, *contracts, stated=None, accelerators=("H200",)):
        return gpu_prices(accelerators, contracts, stated or {}, shipped, "neocloud")

    def test_terms_say_what_is_billed(self, shipped):
        of = {p.contract: p for p in self.prices(shipped, "on-demand", "own")["H200"]}
        assert (of["on-demand"].billing, of["own"].billing) == ("hourly", "always")
        assert all(p.low <= p.usd <= p.high for p in of.values())

    def test_the_basis_says_each_thing_once(self, shipped):
        basis = self.prices(shipped, "on-demand")["H200"][0].basis
        assert basis.startswith("median of ") and basis.count("provider") == 1 and basis.count("rows") == 1

    def test_your_price_takes_the_place_of_the_markets(self, shipped):
        prices = self.prices(shipped, "on-demand", "own", stated={"H200": 1.25})["H200"]
        assert [(p.contract, p.usd, p.low, p.high) for p in prices[:1]] == [("stated", 1.25, 1.25, 1.25)]
        assert [p.contract for p in prices] == ["stated", "own"]

    def test_a_contract_without_a_price_is_left_out(self, shipped):
        assert self.prices(shipped, "5-year")["H200"] == []

    @pytest.mark.parametrize(
        ("text", "name"),
        [("OWN", "own"), ("On-Demand", "on-demand"), ("12 months", "1-year"), ("1year", "1-year"), (" spot ", "spot")],
    )
    def test_names_of_contracts(self, text, name):
        assert contract_named(text) == name

    def test_a_contract_is_compared_once(self, shipped):
        assert [p.contract for p in self.prices(shipped, "own", "OWN", "own")["H200"]] == ["own"]

    @pytest.mark.parametrize("text", ["yearly", "serverless", "on-demand or spot", "", "own it"])
    def test_what_is_no_contract(self, text, shipped):
        with pytest.raises(UnknownName, match="unknown contract"):
            self.prices(shipped, text)

    def test_an_unknown_operator(self, shipped):
        with pytest.raises(UnknownName, match="unknown operator 'me'"):
            gpu_prices(("H200",), ("own",), {}, shipped, "me")


STATED = {"model": "llama-3-70b", "slo": "ttft_p95=2s,tpot=50ms", "precisions": ("fp8",), "at": DAY, "coarse": True}
MIX = {"rate": "20000/day", "isl": "500", "osl": "100"}


def question(**fields: object) -> PlanQuestion:
    """One deployment for a small mix, in closed form."""
    one = {"accelerators": ("H200",), "engines": ("vllm",), "tp": 4}
    return PlanQuestion(**{**MIX, **STATED, **one, **fields})


@pytest.fixture(scope="module")
def answer(tmp_path_factory, shipped):
    """The answer of a plan for 600 requests in 10 s; with `growth`, for more."""
    log = tmp_path_factory.mktemp("plan") / "log.csv"
    lines = [f"{i / 60:.4f},{300 + i % 400},{50 + i % 100}" for i in range(600)]
    log.write_text("\n".join(["time_s,input_tokens,output_tokens", *lines]))
    data = PredictionData.of(question())

    def ask(**fields: object):
        return plan(question(**{"log": log, "rate": None, "isl": None, "osl": None, **fields}), data, shipped)

    return ask


CHOICE = {"accelerators": ("H200", "MI300X"), "tp": None}


@pytest.mark.slow
class TestPlan:
    def test_rows_by_rising_cost(self, answer):
        rows = answer(**CHOICE).rows
        costs = [r.bills[0].usd_per_day for r in rows]
        assert len(rows) > 4 and costs == sorted(costs) and [r.rank for r in rows] == list(range(1, len(rows) + 1))
        assert rows[0].cheaper == 0.5 and all(0 <= r.cheaper <= 1 for r in rows)
        assert {r.accelerator for r in rows} == {"H200", "MI300X"}
        assert len(answer(**CHOICE, top=3).rows) == 3

    def test_a_row_is_its_fleet(self, answer):
        (r,) = answer().rows
        assert r.gpus == (r.replicas + r.spares) * r.gpus_per_replica and r.replicas == max(h.replicas for h in r.hours)
        assert 0 < r.utilisation <= 1 <= r.headroom
        assert r.bills[0].usd_per_task == pytest.approx(r.bills[0].usd_per_day / (60 * 86_400), rel=0.01)
        tokens_s = (400 * 499.5 + 200 * 399.5 + 600 * 99.5) / 10
        assert r.bills[0].usd_per_mtok == pytest.approx(r.bills[0].usd_per_day / (tokens_s * 0.0864), rel=0.02)

    def test_more_traffic_never_needs_fewer_gpus(self, answer):
        gpus = [answer(growth=g).rows[0].gpus for g in (1, 1.5, 2, 4)]
        assert gpus == sorted(gpus) and gpus[-1] > gpus[0]

    def test_more_confidence_never_needs_fewer_gpus(self, answer):
        of = [answer(growth=10, confidence=c).rows[0] for c in (0.5, 0.51, 0.8, 0.9, 0.95)]
        assert [r.gpus for r in of] == sorted(r.gpus for r in of) and of[-1].gpus > of[0].gpus
        assert of[3].gpus == of[0].gpus_at_90 == of[3].gpus_at_90

    def test_the_closed_form_errs_as_far_as_its_limit_does(self, answer):
        ttft, tpot = (answer(slo=slo, confidence=0.9).rows[0] for slo in ("ttft_p95=150ms", "tpot=50ms"))
        assert min(ttft.probability, tpot.probability) >= 0.9
        assert ttft.headroom > 2  # TTFT is far less certain than TPOT, whose error is no factor of two

    def test_requests_that_no_replica_serves_are_refused(self, answer, tmp_path):
        log = tmp_path / "long.csv"
        lines = [f"{i / 10:.1f},{200_000 if i % 20 == 0 else 1000},100" for i in range(600)]
        log.write_text("\n".join(["time_s,input_tokens,output_tokens", *lines]))
        for coarse in (True, False):
            with pytest.raises(NoData, match=r"longer than the 131,072 tokens .* 30 requests of 600"):
                answer(log=log, slo="ttft_p95=20s", coarse=coarse)

    def test_spares_and_tasks(self, answer):
        bare, one, more = (answer(spares=n).rows[0].gpus for n in (0, 1, 3))
        assert (one - bare, more - bare) == (4, 12)
        three = answer(requests_per_task=3.0)
        assert three.task == "3 requests"
        assert three.rows[0].bills[0].usd_per_task == pytest.approx(3 * answer().rows[0].bills[0].usd_per_task)

    def test_the_largest_fleet_is_bounded(self, answer):
        gpus = answer().rows[0].gpus
        with pytest.raises(NoData, match=f"it needs {gpus} GPUs, more than {gpus - 1}"):
            answer(most_gpus=gpus - 1)
        assert answer(most_gpus=gpus).rows[0].gpus == gpus

    def test_a_price_of_ones_own(self, answer):
        (r,) = answer(price_usd_per_gpu_h={"h200": 1.0}, contracts=("on-demand",)).rows
        assert [(b.contract, b.usd_per_day) for b in r.bills] == [("stated, fixed", pytest.approx(r.gpus * 24))]

    def test_what_cannot_be_planned(self, answer):
        with pytest.raises(BadConfig, match="the SLO is empty"):
            answer(slo=" , ")
        with pytest.raises(NoData, match="no fleet meets tpot=1ms"):
            answer(slo="tpot=1ms")
        with pytest.raises(NoData, match="H200 has no price under 5-year; add --price H200=USD"):
            answer(contracts=("5-year",))

    def test_json_has_numbers_where_its_schema_does(self, answer):
        made = answer(**CHOICE)
        text = orjson.dumps(to_json(made))
        assert json.loads(text, parse_constant=pytest.fail) == to_json(made)
        assert all_finite(to_json(made))


@pytest.mark.slow
def test_simulated(answer):
    closed, made = answer(), answer(coarse=False)
    (r,) = made.rows
    assert r.simulated == "busiest hour" and closed.rows[0].simulated == "closed form"
    assert [limit.text for limit in r.limits] == ["ttft_p95=2s", "tpot=50ms"]
    assert all(limit.ratio <= 1 and limit.value == pytest.approx(limit.ratio * limit.bound) for limit in r.limits)
    assert abs(r.replicas - closed.rows[0].replicas) <= 2 and 0 <= r.probability <= 1
    assert all_finite(to_json(made))
    assert to_json(answer(coarse=False)) == to_json(made)


@pytest.mark.slow
def test_the_first_fleet_is_sized_by_whole_hours():
    """Of an hour with more requests than a comparison replays."""
    rows = plan(question(coarse=False, rate="3/s", accelerators=("H200", "H100", "B200", "MI300X"), top=20)).rows
    replayed = [r.simulated for r in rows]
    assert replayed[0] == "busiest hour" and "sampled hours" in replayed


@pytest.mark.slow
@pytest.mark.parametrize("slo", ["tpot=1ms", "ttft_p95=1ms,tpot=50ms", "e2e=10ms"])
def test_the_nearest_slo_that_is_named_is_met(answer, slo):
    with pytest.raises(NoData, match="it meets") as refused:
        answer(coarse=False, slo=slo)
    assert answer(coarse=False, slo=str(refused.value).rpartition("it meets ")[2]).rows


@pytest.mark.slow
def test_progress_is_shown():
    calls: list[tuple[int, int]] = []
    plan(question(coarse=False, rate="1000/day"), None, None, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1)]


@pytest.mark.slow
def test_a_simulated_fleet_never_shrinks(answer):
    """With more traffic, and with more confidence."""
    one, two = (answer(coarse=False, growth=g).rows[0].gpus for g in (1, 2))
    sure = answer(coarse=False, confidence=0.9).rows[0].gpus
    assert one < two and one <= sure


def all_finite(value: object) -> bool:
    """Whether no number of a JSON value is infinite or NaN."""
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    if isinstance(value, list):
        return all(map(all_finite, value))
    return not isinstance(value, float) or isfinite(value)


class TestJson:
    def test_a_question_there_and_back(self):
        asked = question(
            accelerators=("H200", "MI300X"),
            layouts=("auto",),
            price_usd_per_gpu_h={"H200": 2.5},
            log=Path("x.csv"),
            rate=None,
            sets=({"pue": 1.2},),
        )
        assert question_from_json(PlanQuestion, json.dumps(to_json(asked))) == asked

    @pytest.mark.parametrize(
        ("field", "value"),
        [("spares", 101), ("confidence", 1.0), ("top", 0), ("mw", 0), ("most_gpus", 0), ("cold_start_s", -1)],
    )
    def test_values_out_of_bounds(self, field, value):
        with pytest.raises(BadConfig, match=field):
            question_from_json(PlanQuestion, {"model": "llama-3-70b", "slo": "tpot=50ms", field: value})

    def test_an_unknown_key(self):
        with pytest.raises(BadConfig, match="did you mean 'accelerators'"):
            question_from_json(PlanQuestion, {"model": "llama-3-70b", "slo": "tpot=50ms", "accelerator": ["H200"]})

    def test_the_schema_describes_every_key(self):
        schema = json_schema(PlanQuestion)
        assert set(schema["required"]) == {"model", "slo"}
        assert all("description" in field for field in schema["properties"].values())


class TestWords:
    def test_the_decision(self):
        best, other = row(1, "MI355X", 2, 5, 2.3), row(2, "H200", 4, 4, 2.6, cheaper=0.25)
        text = headline((best, other))
        bill, more = best.bills[0], other.bills[0].usd_per_day / best.bills[0].usd_per_day - 1
        assert text.startswith(f"12 MI355X (5+1 replicas of {best.layout} with {best.engine} in {best.precision})")
        assert f"{bill.usd_per_day:,.0f} USD a day ({bill.contract})" in text
        assert "probability of 93 %." in text and f"costs {more:.0%} more" in text
        assert text.endswith("cheaper with a probability of 25 %.")

    def test_nothing_predicted_is_certain_and_small_costs_are_shown(self):
        best = row(1, "H200", 4, 4, 2.6, probability=1.0)
        bill = replace(best.bills[0], usd_per_day=3.456, usd_per_mtok=15_300_000.0)
        text = headline((replace(best, bills=(bill,)),))
        assert "more than 99 %" in text and "3.46 USD a day" in text and "15,300,000 USD per million" in text

    def test_spares(self):
        assert availability(0) == "N: no replica may fail"
        assert availability(1) == "N+1: 1 replica may fail" and availability(2) == "N+2: 2 replicas may fail"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("ttft_p95=2s", "TTFT p95 ≤ 2 s"),
            ("tpot=50ms", "TPOT p50 ≤ 50 ms"),
            ("e2e_p999<30", "E2E p99.9 ≤ 30 s"),
            ("itl_mean=0.02", "ITL mean ≤ 20 ms"),
            ("interactivity_p90=20", "interactivity p90 ≥ 20 tok/s"),
        ],
    )
    def test_limits(self, text, words):
        assert parse_slos(text)[0].words == words
