"""`compare` and `advise` on a site: ranking by tokens or profit per utility MW, carbon, earnings, fleets."""

from __future__ import annotations

import json

import pytest

from paretoken.answers.advise import AdviseQuestion, advise
from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.points import Data
from paretoken.errors import BadConfig, NoData
from paretoken.prices.api_table import api_prices
from tests.support.points import prepared, row

LIMIT = {"model": "llama-3-70b", "precision": "fp8", "isl": 1024, "osl": 1024, "e2e_s": 10.0}


def points(**tput_of: float) -> list[dict]:
    """One run of each accelerator, with its throughput and the users that it takes by Little's law."""
    figures = {"median_e2e_s": 9.0, "median_ttft_s": 0.5, "median_tpot_s": 8.5 / 1023}
    return [
        row(accelerator=name, total_tput_per_gpu_tok_s=tput, concurrency=tput * 8 * 9.0 / 2048, **figures)
        for name, tput in tput_of.items()
    ]


@pytest.fixture
def ask(catalog):
    def answer(tput_of: dict[str, float], **question):
        return compare(CompareQuestion(**LIMIT, **question), Data(catalog, prepared(*points(**tput_of))))

    return answer


def test_the_best_per_megawatt_is_not_the_cheapest(ask):
    """H200 costs 1.22 USD and 1.37 kW, MI300X 0.95 USD and 1.39 kW (set 2026-09, hyperscaler)."""
    tput_of = {"H200": 1100.0, "MI300X": 1000.0}
    assert ask(tput_of).winner == "MI300X"
    by_power = ask(tput_of, rank_by="tok_s_per_mw")
    assert (by_power.winner, by_power.ranked_by) == ("H200", "tok_s_per_utility_mw")
    best, second = by_power.candidates
    assert best.tok_s_per_utility_mw == pytest.approx(1100.0 * 1000 / (1.37 * 1.15))
    assert by_power.margin == pytest.approx(best.tok_s_per_utility_mw / second.tok_s_per_utility_mw - 1)


def test_profit_ranks_by_what_a_megawatt_earns(ask):
    tput_of = {"H200": 1100.0, "MI300X": 1000.0}
    for price in (0.4, 5.0):
        answer = ask(tput_of, rank_by="profit", token_price=price)
        profits = [c.earnings.profit_usd_per_mw_year for c in answer.candidates]
        assert profits == sorted(profits, reverse=True)
        assert answer.winner == answer.candidates[0].accelerator
    # tokens that sell for much make throughput per MW decide
    assert answer.winner == "H200"


def test_the_margin_of_a_profit_is_the_throughput_that_the_winner_can_spare(ask):
    tput_of = {"H200": 2000.0, "MI300X": 1000.0}
    answer = ask(tput_of, rank_by="profit", token_price=1.0)
    assert answer.winner == "H200"
    spared = ask(tput_of | {"H200": 2000.0 / (1 + answer.margin)}, rank_by="profit", token_price=1.0)
    first, second = (c.earnings.profit_usd_per_mw_year for c in spared.candidates)
    assert first == pytest.approx(second)


def test_the_cheapest_list_price_of_the_model_is_blended_for_the_lengths(ask):
    answer = ask({"H200": 1000.0}, token_price="api")
    cheapest = min(
        (o for o in api_prices() if o.model == LIMIT["model"]), key=lambda o: o.usd_per_mtok(LIMIT["isl"], LIMIT["osl"])
    )
    assert answer.token_price.source.startswith(f"cheapest API, {cheapest.name} of {cheapest.provider}, 1024 input")
    assert answer.candidates[0].earnings.token_price_usd_per_mtok == answer.token_price.usd_per_mtok


def test_carbon_counts_the_power_at_the_meter(ask):
    best = ask({"H200": 1000.0}, grid_gco2_per_kwh=360.0).candidates[0]
    assert best.gco2_per_mtok == pytest.approx(1.37 * 1.15 * 100)


def test_a_fleet_earns_what_its_tokens_sell_for(ask):
    answer = ask({"H200": 1000.0}, mw=10.0, token_price=1.0, serving_load=0.5)
    of_fleet, of_mw = answer.fleet["H200"], answer.candidates[0].earnings
    assert of_fleet.profit_usd_per_gw_year == pytest.approx(of_mw.profit_usd_per_mw_year * 1000, rel=1e-3)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"rank_by": "profit"}, "needs a price of tokens"),
        ({"token_price": float("nan")}, "price of tokens is nan"),
        ({"token_price": 0.0}, "must be above 0"),
        ({"mw": -1.0}, "power limit is -1 MW"),
        ({"mw": float("inf")}, "power limit"),
        ({"grid_gco2_per_kwh": -5.0}, "0 or more"),
    ],
)
def test_a_site_that_cannot_be_is_one_sentence(ask, question, words):
    with pytest.raises(BadConfig, match=words):
        ask({"H200": 1000.0}, **question)


def test_a_model_without_an_api_needs_a_stated_price(catalog):
    rows = [{**r, "model": "my-model"} for r in points(H200=1000.0)]
    question = CompareQuestion(**LIMIT | {"model": "my-model"}, token_price="api")
    with pytest.raises(NoData, match=r"no API price for my-model; give 'token_price'"):
        compare(question, Data(catalog, prepared(*rows)))


def test_advise_sizes_the_fleets_of_owners(catalog):
    data = Data(catalog, prepared(*points(H200=1000.0, MI300X=900.0)))
    answer = advise(AdviseQuestion(**LIMIT, mw=10.0, price_usd_per_gpu_h={"H200": 1.0}), data)
    by_segment = {s.segment: s.choices for s in answer.segments}
    sizes = {c.accelerator: c.fleet.gpus for c in by_segment["hyperscaler"]}
    assert sizes == {"H200": int(10_000 / (1.37 * 1.15)), "MI300X": int(10_000 / (1.39 * 1.15))}
    assert all(c.fleet is None for c in by_segment["team"])


def test_the_command_prints_earnings_and_power(shown):
    text = shown(
        "compare --e2e 10 --token-price 0.6 --grid-gco2-per-kwh 400 --mw 1 --rank-by profit",
        *points(H200=3000.0, MI300X=1000.0),
    )
    assert "Highest profit per MW: H200, until its throughput falls" in text
    assert "Earnings at 0.6 USD per million tokens (stated)" in text
    assert "payback: capital and running costs of the hyperscaler" in text
    assert "margin: revenue less the GPU-hour price of 'Hyperscaler owns'" in text
    assert "g CO2/M tokens" in text and "M$/GW-y" in text


def test_a_payback_beyond_the_life_is_never(shown, ask):
    """MI300X earns 2.16 USD per hour at 1.00 USD per million tokens, and 0.52 at 0.24, which never pays 17,851 back."""
    assert "never within" not in shown("compare --e2e 10 --token-price 1", *points(MI300X=600.0))
    text = shown("compare --e2e 10 --token-price 0.24", *points(MI300X=600.0))
    e = ask({"MI300X": 600.0}, token_price=0.24).candidates[0].earnings
    assert f"never within {e.life_months:g}" in text
    assert (e.payback_months, e.capital_usd_per_gpu > 0, e.life_months > 24) == (None, True, True)


def test_json_has_the_site(shown):
    out = json.loads(shown("compare --e2e 10 --token-price 0.6 --json", *points(H200=3000.0)))
    assert out["token_price"] == {"usd_per_mtok": 0.6, "source": "stated"}
    assert out["candidates"][0]["earnings"]["revenue_usd_per_gpu_h"] == pytest.approx(6.48)
