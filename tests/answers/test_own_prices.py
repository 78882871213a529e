"""Your own price of an accelerator, in every verb about money: it replaces the listed one, and nothing else."""

from __future__ import annotations

import json
from datetime import date

import pytest

from paretoken.answers.advise import AdviseQuestion, advise
from paretoken.answers.breakeven import BreakevenQuestion, PricedBreakevenPoint, breakeven
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.cost import CostQuestion, cost
from paretoken.answers.outlook import OutlookQuestion, outlook
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.answers.selfhost import selfhost
from paretoken.answers.selfhost_question import SelfhostQuestion
from paretoken.answers.study.config import Study, with_ids
from paretoken.answers.tco import OwnOrRentTerms, TcoQuestion, tco
from paretoken.errors import BadConfig, UnknownName
from tests.support.points import prepared, row

DAY = date(2026, 11, 24)
CHAT = {"model": "llama-3-70b", "precision": "fp8", "isl": 1024, "osl": 1024}
VERBS = (
    "cost",
    "compare --e2e 10",
    "advise --e2e 10",
    "selfhost --e2e 10",
    "breakeven --accelerator MI300X --against H200 --market",
)


def run(accelerator: str, tput: float) -> dict:
    figures = {"median_e2e_s": 9.0, "median_ttft_s": 0.5, "median_tpot_s": 8.5 / 1023}
    return row(accelerator=accelerator, total_tput_per_gpu_tok_s=tput, concurrency=tput * 72 / 2048, **figures)


ROWS = [run("H200", 1000.0), run("MI300X", 500.0)]


@pytest.fixture
def data(catalog):
    return Data(catalog, prepared(*ROWS))


def own(**prices: float) -> dict:
    return {"price_usd_per_gpu_h": prices}


def test_any_name_of_the_catalog_will_do(catalog):
    question = PricesQuestion(price_usd_per_gpu_h={"mi 300x": 1.0, "NVIDIA H200": 2.0})
    assert question.own_prices(catalog) == {"MI300X": 1.0, "H200": 2.0}


@pytest.mark.parametrize("usd", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_must_be_above_0(catalog, usd):
    with pytest.raises(BadConfig, match=r"the price of H200 is .* it must be above 0"):
        PricesQuestion(**own(H200=usd)).own_prices(catalog)


def test_unknown_names_are_one_sentence_with_the_nearest(catalog):
    with pytest.raises(UnknownName, match="did you mean MI355X"):
        PricesQuestion(**own(MI356X=2.0)).own_prices(catalog)
    with pytest.raises(BadConfig, match="H200 is stated twice, once as h200"):
        PricesQuestion(**own(H200=2.0, h200=3.0)).own_prices(catalog)


def test_cost_at_an_own_price_in_every_tier(data):
    points = cost(CostQuestion(**CHAT, **own(H200=7.2)), data).points
    of_h200 = [p for p in points if p.accelerator == "H200"]
    assert len(of_h200) > 1
    assert [p.usd_per_mtok_total for p in of_h200] == pytest.approx([2.0] * len(of_h200))
    listed = [p for p in cost(CostQuestion(**CHAT), data).points if p.accelerator == "MI300X"]
    assert [p for p in points if p.accelerator == "MI300X"] == listed


def test_compare_says_whose_price_it_is(data):
    listed = compare(CompareQuestion(**CHAT, e2e_s=10), data)
    answer = compare(CompareQuestion(**CHAT, e2e_s=10, **own(MI300X=0.3)), data)
    assert (listed.winner, answer.winner) == ("H200", "MI300X")
    assert (answer.own_prices, answer.tier) == (("MI300X",), listed.tier)
    assert "own prices" in answer.tariff.name


def test_a_price_of_the_other_accelerator_is_its_rent(data):
    pair = {**CHAT, "accelerator": "MI300X", "against": "h200"}
    stated = breakeven(BreakevenQuestion(**pair, rent_usd=2.5), data)
    assert breakeven(BreakevenQuestion(**pair, **own(H200=2.5)), data) == stated
    beside = breakeven(BreakevenQuestion(**pair, **own(H200=2.5, MI300X=1.0)), data).points[0]
    assert isinstance(beside, PricedBreakevenPoint)
    assert (beside.cost_usd_per_gpu_h, beside.break_even_usd_per_gpu_h) == (1.0, pytest.approx(1.25))


def test_the_market_and_an_owner_take_own_prices(data):
    pair = {**CHAT, "accelerator": "MI300X", "against": "H200", "at": DAY}
    market = breakeven(BreakevenQuestion(**pair, market=True, terms=("on-demand",), **own(MI300X=9.0)), data)
    assert (market.terms[0].market_usd_per_gpu_h, market.terms[0].data) == (9.0, "your price")
    assert "rent H200 at every latency" in market.terms[0].verdict
    owner = breakeven(BreakevenQuestion(**pair, operator="neocloud", **own(H200=2.0)), data).points[0]
    assert owner.rent_against_usd_per_gpu_h == 2.0
    assert owner.basis.startswith("Own: ")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"rent_usd": 2.0, **own(H200=3.0)}, "'rent_usd' and 'price_usd_per_gpu_h' both state the rent of H200"),
        (own(MI300X=3.0), "the rent of H200 is missing"),
        ({}, "give 'rent_usd', 'price_usd_per_gpu_h' H200=USD, market=True or 'operator'"),
    ],
)
def test_a_break_even_needs_one_rent(data, question, words):
    with pytest.raises(BadConfig, match=words):
        breakeven(BreakevenQuestion(**CHAT, accelerator="MI300X", against="H200", **question), data)


def test_rents_of_0_or_below_are_explained(data):
    pair = {**CHAT, "accelerator": "MI300X", "against": "H200", "rent_usd": 2.0}
    answer = breakeven(BreakevenQuestion(**pair, switching_usd=40_000.0), data)
    assert max(answer.range_usd_per_gpu_h) < 0
    assert answer.note == answer.points[0].note
    assert answer.note.startswith("no rent is low enough: the switching cost outweighs")
    assert breakeven(BreakevenQuestion(**pair), data).note is None
    market = {**CHAT, "accelerator": "MI300X", "against": "H200", "market": True, "at": DAY}
    assert breakeven(BreakevenQuestion(**market, switching_usd=400_000.0), data).note == answer.note


def test_advise_replaces_every_option_of_the_accelerator(data):
    answer = advise(AdviseQuestion(**CHAT, e2e_s=10, at=DAY, **own(MI300X=0.1)), data)
    for segment in answer.segments:
        assert {c.procurement for c in segment.choices if c.accelerator == "MI300X"} == {"your price"}
        assert segment.winner == "MI300X"
        assert all(c.procurement != "your price" for c in segment.choices if c.accelerator == "H200")


def test_selfhost_over_the_market_or_over_one_rent(data):
    question = {**CHAT, "e2e_s": 10, "input_price": 1.0, "output_price": 1.0, "rent_usd": 3.6}
    assert selfhost(SelfhostQuestion(**question), data).candidate.accelerator == "H200"
    answer = selfhost(SelfhostQuestion(**question, **own(MI300X=0.9)), data)
    assert (answer.candidate.accelerator, answer.candidate.usd_per_mtok_total) == ("MI300X", pytest.approx(0.5))


def test_an_owner_compares_with_the_own_rent_of_each_accelerator():
    terms = OwnOrRentTerms(rent_usd=2.0)
    rows = tco(TcoQuestion(accelerators=("H200", "MI300X"), own_or_rent=terms, **own(H200=5.0))).own_or_rent
    assert [r.own_or_rent.rent_usd for r in rows] == pytest.approx([5.0, 2.0])


def test_an_outlook_starts_from_own_prices():
    answer = outlook(OutlookQuestion(scenario="rent-cut", at=DAY, **own(H200=9.0)))
    first = next(s for s in answer.states if s.accelerator == "H200")
    assert first.usd_per_gpu_h == 9.0
    assert "own prices" in answer.price


def test_a_study_takes_them_for_its_tariffs_and_its_reference(catalog):
    study = with_ids(Study(**own(h200=2.75)), catalog, prepared(*ROWS))
    assert study.price_usd_per_gpu_h == {"H200": 2.75}
    assert study.reference_rent_usd == 2.75


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_refuses_what_is_not_a_price(call, verb):
    what = "--model llama-3-70b --precision fp8 --workload chat"
    for price, words in [
        ("MI356X=2", "did you mean MI355X"),
        ("H200=-2", "'H200=-2' is not a price; write an accelerator and USD above 0, as in MI355X=2.60"),
        ("H200=nan", "is not a price"),
        ("H200", "is not a price"),
        ("2.60", "is not a price"),
        ("H200=2 --price H200=3", "the price of H200 is stated twice"),
    ]:
        code, _, err = call(f"{verb} {what} --price {price}")
        assert (code, len(err.strip().splitlines())) == (2, 1)
        assert words in err


def test_commands_of_owners_and_of_predictions(call):
    assert "add --or-rent" in call("tco --price H200=3")[2]
    code, out, _ = call("tco --accelerator H200 --or-rent --price H200=5 --json")
    assert (code, json.loads(out)[0]["own_or_rent"]["rent_usd"]) == (0, pytest.approx(5.0))
    what = "--accelerator H200 --model llama-3-70b --precision fp8 --engine vllm --isl 1024 --osl 1024"
    assert "--price needs --disaggregated" in call(f"predict {what} --tp 4 --price H200=3")[2]
    pools = f"predict {what} --disaggregated 1xTP4+1xTP4 --concurrency 16 --json"
    assert call(f"{pools} --price H200=3")[1] == call(f"{pools} --rent 3")[1]
