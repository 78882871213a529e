"""Who should do what, and API against serving oneself: rankings, break-evens, what is thin, mistakes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.answers.buyers import BUYER_SEGMENTS, Procurement, advise
from paretoken.errors import BadConfig, BadFile
from paretoken.frontier import Candidate
from paretoken.prices import tariff, usd_per_mtok
from paretoken.prices.api_price import OwnDeployment, api_prices, own_price, self_host
from paretoken.prices.market.facts import market_facts
from tests.support.patience import PATIENT

QUESTION = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"


def candidate(name, tput, n_points=9, engine="e"):
    return Candidate(
        accelerator=name,
        engine=engine,
        origin="published",
        tput_per_gpu=tput,
        input_tput_per_gpu=None,
        output_tput_per_gpu=None,
        e2e_s=1.0,
        interactivity_tok_s=40.0,
        e2e_basis="measured",
        tp="8",
        source="test",
        n_points=n_points,
        around=(),
    )


def option(catalog, segment, name, prices, scarce=()):
    price = replace(tariff(catalog), usd_per_gpu_h=prices)
    return Procurement(segment, name, price, dict.fromkeys(prices, "test"), dict.fromkeys(scarce, "nobody"))


def of(advice, key):
    return next(a for a in advice if a.segment == key)


def test_every_segment_is_ranked_by_the_cost_of_tokens(catalog):
    found = [candidate("A", 1000), candidate("A", 800, engine="f"), candidate("B", 500), candidate("C", 100)]
    options = [option(catalog, "team", "spot", {"A": 2.0}), option(catalog, "team", "on-demand", {"A": 3.0, "B": 1.2})]
    advice = of(advise(found, options), "team")
    assert [a.segment for a in advise(found, options)] == [s.key for s in BUYER_SEGMENTS]
    assert [(x.accelerator, x.procurement) for x in advice.choices[:2]] == [
        ("A", "spot"),
        ("B", "on-demand"),
    ]
    costs = [x.usd_per_mtok_total for x in advice.choices]
    assert costs == sorted(costs)
    assert advice.runner_up.accelerator == "B"
    assert advice.margin == pytest.approx((1.2 / 500) / (2 / 1000) - 1)
    assert of(advise(found, options), "hyperscaler").best is None


def test_what_would_change_the_answer(catalog):
    found = [candidate("A", 1000), candidate("B", 500), candidate("C", 100)]
    options = [option(catalog, "enterprise", "own", {"A": 2.0, "B": 1.2})]
    changes = {c.accelerator: c for c in of(advise(found, options), "enterprise").changes}
    assert (changes["B"].usd_needed, changes["B"].usd_now) == (pytest.approx(1.0), 1.2)
    assert changes["B"].by == pytest.approx(1 / 6)
    assert (changes["C"].usd_needed, changes["C"].usd_now, changes["C"].by) == (pytest.approx(0.2), None, None)
    level = [option(catalog, "enterprise", "own", {"A": 2.0, "B": changes["B"].usd_needed})]
    assert of(advise(found, level), "enterprise").margin == pytest.approx(0, abs=1e-12)


def test_the_nearest_break_even_comes_first(catalog):
    found = [candidate("A", 1000), candidate("B", 500), candidate("D", 400)]
    options = [option(catalog, "neocloud", "own", {"A": 2.0, "B": 9.0, "D": 0.9})]
    assert [c.accelerator for c in of(advise(found, options), "neocloud").changes] == ["D", "B"]


def test_what_cannot_be_had_is_ranked_last(catalog):
    found = [candidate("A", 1000), candidate("B", 500)]
    options = [option(catalog, "team", "survey", {"A": 1.0, "B": 2.0}, scarce=["A"])]
    advice = of(advise(found, options), "team")
    assert advice.best.accelerator == "B" and advice.choices[1].scarce == "nobody"
    assert "scarce: nobody" in advice.choices[1].data and advice.margin < 0 and advice.confidence == "scarce"
    assert advice.changes[0].already_cheaper
    assert [x.scarce for x in advice.choices] == [None, "nobody"]


def test_a_neoclouds_margin_and_thin_data(catalog):
    found = [candidate("A", 1000, n_points=2), candidate("B", 900)]
    options = [option(catalog, "neocloud", "own", {"A": 1.0, "B": 1.0})]
    advice = of(advise(found, options, rents_usd={"A": 2.5}), "neocloud")
    assert advice.best.rent_margin == pytest.approx(0.6) and advice.runner_up.rent_margin is None
    assert "thin" in advice.confidence and "2 published points" in advice.best.data


def test_advise_verb(call):
    code, out, err = call(f"advise {QUESTION} --json")
    segments = {x["segment"]: x for x in json.loads(out)["segments"]}
    assert (code, err, len(segments)) == (0, "", 4)
    for segment in segments.values():
        assert segment["choices"] and segment["changes"] and segment["runner_up"] and segment["choices"][0]["data"]
    assert {x["procurement"] for x in segments["enterprise"]["choices"]} >= {"own", "3-year rental, survey"}
    assert {x["procurement"] for x in segments["team"]["choices"]} >= {"rent, on-demand", "retail rental, survey"}
    code, out, err = call(f"advise {QUESTION}")
    assert (code, err) == (0, "") and all(segment.title in out for segment in BUYER_SEGMENTS)


def test_a_rent_of_one_provider_wins_nothing_and_is_shown(call):
    """MI355X is rented out by one provider: its surveyed rents are shown last, cheaper or not, in both segments."""
    line = f"advise {QUESTION} --at 2026-11-24"
    segments = {x["segment"]: x for x in json.loads(call(f"{line} --json")[1])["segments"]}
    for segment in ("enterprise", "team"):
        scarce = [x for x in segments[segment]["choices"] if x["scarce"]]
        assert {"MI355X"} <= {x["accelerator"] for x in scarce} and "survey" in scarce[0]["procurement"]
        assert scarce == segments[segment]["choices"][-len(scarce) :]
    out = call(line)[1]
    team = out[out.index("A team") :]
    assert "MI355X       atom    retail rental, survey" in team and "scarce: 1 provider found" in team
    assert "MI355X is cheaper where it is available at 2.90" in team and "+81%" not in team
    assert "breaks even at" in out


def test_scarcity_of_amd_on_the_market_is_said(call):
    team = json.loads(call(f"advise {QUESTION} --json")[1])["segments"][3]
    rents = {x["accelerator"]: x["data"] for x in team["choices"] if x["procurement"].endswith("survey")}
    assert "1 provider found" in rents["MI355X"]
    assert team["choices"][0]["accelerator"] != "MI355X"


def test_own_figures_change_the_advice(call, tmp_path):
    (tmp_path / "mine.toml").write_text("electricity_usd_per_kwh = 1.0\n")
    before, after = (json.loads(call(f"advise {QUESTION} {x} --json")[1]) for x in ("", "--set mine.toml"))
    cost = [x["segments"][0]["choices"][0]["usd_per_gpu_h"] for x in (before, after)]
    assert cost[1] > cost[0] + 0.5


prices = st.floats(0.01, 50)


@settings(PATIENT)
@given(prices, prices, prices, st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0, 1))
def test_a_mix_lies_between_its_prices(given_, made, cached, isl, osl, share):
    price = own_price("m", given_, made, cached)
    cost = price.usd_per_mtok(isl, osl, share)
    assert min(given_, made, cached) * (1 - 1e-9) <= cost <= max(given_, made, cached) * (1 + 1e-9)


@settings(PATIENT)
@given(prices, prices, st.floats(0.1, 20), st.floats(10, 1e5), st.integers(1, 72))
def test_at_the_break_even_load_both_cost_the_same(given_, made, rent, tput, gpus):
    found = self_host(own_price("m", given_, made), OwnDeployment(gpus, rent, tput), 1000, 500)
    per_day_usd = rent * gpus * 24
    assert found.tokens_per_day / 1e6 * found.api_usd_per_mtok == pytest.approx(per_day_usd)
    if found.pays:
        assert usd_per_mtok(rent, tput, found.load) == pytest.approx(found.api_usd_per_mtok)


def test_shipped_api_prices(catalog):
    found = api_prices()
    assert len(found) > 50
    assert all(p.model in catalog.models and p.source and p.date and p.licence for p in found)
    assert {"llama-3-70b", "deepseek-r1", "gpt-oss-120b"} <= {p.model for p in found}
    assert len({(p.model, p.provider, p.input, p.output) for p in found}) == len(found)


def test_selfhost_verb(call):
    code, out, err = call(f"selfhost {QUESTION} --json")
    answer = json.loads(out)
    loads = [x["load"] for x in answer["against"]]
    assert (code, err) == (0, "") and loads == sorted(loads, reverse=True)
    code, out, _ = call(
        f"selfhost {QUESTION} --rent 2.0 --input-price 1 --output-price 3 --cached-price 0.1 --cached-share 0.5 --json"
    )
    one = json.loads(out)["against"][0]
    assert one["api_usd_per_mtok"] == pytest.approx((0.55 + 3) / 2)
    own = 2.0 / (json.loads(out)["candidate"]["tput_per_gpu"] * 0.0036)
    assert (one["own_usd_per_mtok"], one["load"]) == (pytest.approx(own), pytest.approx(own / 1.775))
    assert "break-even load" in call(f"selfhost {QUESTION} --tco 2026-07 --tier rent-3yr")[1]


def test_own_api_prices(call, tmp_path):
    (tmp_path / "p.csv").write_text("model,provider,input_usd_per_mtok,output_usd_per_mtok\ndeepseek-r1,me,1,2\n")
    answer = json.loads(call(f"selfhost {QUESTION} --api-prices p.csv --json")[1])
    assert [x["api"]["provider"] for x in answer["against"]] == ["me"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"selfhost {QUESTION} --input-price 1", "two sides"),
        (f"selfhost {QUESTION} --input-price -1 --output-price 1", "0 or more"),
        (f"selfhost {QUESTION} --input-price 0 --output-price 0", "free"),
        (f"selfhost {QUESTION} --cached-share 2", "between 0 and 1"),
        (f"selfhost {QUESTION} --rent 2 --term spot", "give one price"),
        (f"selfhost {QUESTION} --rent -2", "above 0"),
        (f"selfhost {QUESTION} --term ever", "rental term"),
        (f"selfhost {QUESTION} --cached-share nan", "not a finite number"),
        (f"advise {QUESTION} --serving-load nan", "not a finite number"),
        (f"selfhost {QUESTION} --api-prices none.csv", "cannot be read"),
        ("selfhost --model llama-3-70b --precision fp8 --workload chat --e2e 0.01", "no accelerator has data"),
        ("advise --model llama-3-70b --precision fp8 --workload chat --e2e 0.01", "no accelerator has data"),
        ("advise --model llama-3-70b --precision fp8 --workload chat", "give one latency"),
        (f"advise {QUESTION} --at 2030-01-01", "is in the future"),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert (code, out) == (2, "") and says in err and err.startswith("error: ") and err.count("\n") == 1


def test_bad_api_price_files(tmp_path):
    head = "model,provider,input_usd_per_mtok,output_usd_per_mtok\n"
    for text, says in (
        ("a,b\n1,2\n", "need a header"),
        (head + "m,p,x,1\n", "not a number"),
        (head + "m,p,-1,1\n", "0 or more"),
    ):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(BadFile, match=says):
            api_prices(tmp_path / "p.csv")
    with pytest.raises(BadConfig):
        own_price("m", float("nan"), 1)


def test_an_api_that_is_free_cannot_be_held_against(call, tmp_path):
    (tmp_path / "p.csv").write_text("model,provider,input_usd_per_mtok,output_usd_per_mtok\ndeepseek-r1,me,0,0\n")
    code, _, err = call(f"selfhost {QUESTION} --api-prices p.csv")
    assert code == 2 and "deepseek-r1 of me is free" in err
    with pytest.raises(BadConfig, match="is free"):
        self_host(own_price("m", 1, 0, 0), OwnDeployment(8, 2.0, 100), 1000, 1000, cached_share=1)


def test_market_facts_are_dated_and_sourced():
    facts = market_facts()
    assert all(f.date and f.source and f.value for f in facts)
    assert {f.topic for f in market_facts(("rental", "supply"))} == {"rental", "supply"}
    assert any(f.value == ">100" for f in market_facts(("rental",)))
