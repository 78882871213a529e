"""API against serving oneself: mixes of prices, loads, both bounds, the run that is chosen and why, mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.answers.points import Data
from paretoken.answers.selfhost import selfhost
from paretoken.answers.selfhost_question import SelfhostQuestion
from paretoken.errors import BadConfig, NoData
from paretoken.prices import usd_per_mtok
from paretoken.prices.api_price import own_price
from paretoken.prices.self_host import ApiUse, OwnDeployment, self_host
from tests.support.patience import PATIENT
from tests.support.points import prepared
from tests.support.served import CHAT, curve

OPTIONS = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"
QUESTION = SelfhostQuestion(**CHAT, e2e_s=5.0, rent_usd=2.0, input_price=1.0, output_price=3.0)
H200 = curve("H200", (2, 200), (4, 400), (8, 600))
MI300X = curve("MI300X", (2, 50), (4, 100), (8, 150), users=16.0, n_gpus=4, tp=4)


def served(catalog, *rows):
    return Data(catalog, prepared(*rows))


def test_the_cheapest_run_is_named_with_what_it_beats(catalog):
    answer = selfhost(QUESTION, served(catalog, *H200, *MI300X))
    best = answer.candidate
    assert (best.accelerator, best.engine, best.software, best.tp) == ("H200", "vllm", "2026-01", "8")
    assert [c.accelerator for c in answer.cheapest_of] == [
        "H200",
        "MI300X",
    ] and answer.limits == "at most 5 s end to end"
    assert (best.recommended["concurrency"], best.recommended["tput_per_gpu"], best.interpolated) == (128, 400, True)
    assert best.usd_per_mtok_total < best.usd_per_mtok_recommended == pytest.approx(usd_per_mtok(2.0, 400))
    (at_limit,), (as_run,) = answer.against, answer.against_as_run
    assert at_limit.load == pytest.approx(best.usd_per_mtok_total / 2.0)
    assert as_run.load == pytest.approx(usd_per_mtok(2.0, 400) / 2.0) and as_run.gpus == 8
    assert as_run.tokens_per_day == pytest.approx(at_limit.tokens_per_day)


def test_both_bounds_against_the_same_api(catalog):
    pools = curve(
        "MI300X", (2.1, 2000), (4.1, 2500), disaggregated=True, prefill_tp=8, n_gpus=16, engine="dynamo-sglang"
    )
    answer = selfhost(QUESTION, served(catalog, *H200, *MI300X, *pools))
    of_any = answer.best_known
    assert (answer.candidate.accelerator, of_any.candidate.accelerator, of_any.serving) == ("H200", "MI300X", "any")
    assert [s.api for s in answer.against] == [s.api for s in of_any.against]
    assert of_any.against_as_run[0].load == pytest.approx(usd_per_mtok(2.0, 2500) / 2.0)
    assert (of_any.against[0].gpus, of_any.best_known) == (16, None)


def test_no_plain_run_leaves_the_best_known(catalog):
    drafted = curve("MI300X", (2.1, 500), (4.1, 900), speculative="mtp")
    answer = selfhost(QUESTION, served(catalog, *drafted))
    assert answer.candidate is None and answer.against == () and answer.unmet
    assert answer.best_known.candidate.accelerator == "MI300X"
    with pytest.raises(NoData, match="the nearest is H200"):
        selfhost(replace(QUESTION, e2e_s=0.1), served(catalog, *H200))


def test_what_was_chosen_and_why_is_printed(shown):
    line = "selfhost --e2e 5 --rent 2 --input-price 1 --output-price 3"
    drafted = curve("MI300X", (2.1, 2000), (4.1, 2500), speculative="mtp")
    out = shown(line, *H200, *MI300X, *drafted)
    assert "H200 with vllm 2026-01, TP8, 128 users, on 8 GPUs at 2.00 USD per GPU-hour (stated rent): 1.389 USD" in out
    assert "the cheapest with at most 5 s end to end, USD per million tokens: H200 " in out
    assert "$/M plain best known valid from" in out
    assert "best known serving is 6.25 times cheaper than plain: 0.2222 against 1.389 as run" in out
    assert "GPU price: stated rent" in out
    assert "cheapest API for this task: stated llama-3-70b, standard, 2 USD per million tokens" in out
    assert "fixed cost: 384 USD a day for 8 GPUs, at any load" in out and "the maker's own price: none is listed" in out
    assert "plain serving on H200 with vllm, TP8, 128 users (8 GPUs) costs less from a load of 69%, 192 M tokens" in out
    same = shown(line, *H200, *MI300X)
    assert "$/M load valid from" in same and "self-hosting on H200 with vllm, TP8, 128 users" in same
    assert "don't rely on the choice of accelerator: inconsistent data" in shown(
        line, *H200, *curve("H100", (2.1, 800), (4.1, 1600))
    )
    only = shown(line, *drafted)
    assert "no point of llama-3-70b fp8 1024/1024 matches --serving" in only and "MI300X with vllm" in only


def test_doubts_about_the_choice_are_in_the_answer(catalog):
    h100 = curve("H100", (2, 800), (4, 1600))
    assert "H200 has at least the hardware of H100" in selfhost(QUESTION, served(catalog, *H200, *h100)).withheld
    late = [r | {"date": "2026-06-01"} for r in MI300X]
    assert selfhost(QUESTION, served(catalog, *H200, *late)).stale
    level = curve("MI300X", (2, 199), (4, 399), (8, 599))
    assert selfhost(replace(QUESTION, e2e_s=4.0), served(catalog, *H200, *level)).fragile


prices = st.floats(0.01, 50)


@settings(PATIENT)
@given(prices, prices, prices, st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0, 1))
def test_a_mix_lies_between_its_prices(input_usd, output_usd, cached_usd, isl, osl, share):
    price = own_price("m", input_usd, output_usd, cached_usd)
    cost = price.usd_per_mtok(isl, osl, share)
    assert (
        min(input_usd, output_usd, cached_usd) * (1 - 1e-9)
        <= cost
        <= max(input_usd, output_usd, cached_usd) * (1 + 1e-9)
    )


@settings(PATIENT)
@given(prices, prices, st.floats(0.1, 20), st.floats(10, 1e5), st.integers(1, 72))
def test_at_the_break_even_load_both_cost_the_same(input_usd, output_usd, rent, tput, gpus):
    comparison = self_host(
        own_price("m", input_usd, output_usd), OwnDeployment(gpus, rent, tput), ApiUse(isl=1000, osl=500)
    )
    per_day_usd = rent * gpus * 24
    assert comparison.tokens_per_day / 1e6 * comparison.api_usd_per_mtok == pytest.approx(per_day_usd)
    if comparison.pays:
        assert usd_per_mtok(rent, tput, comparison.load) == pytest.approx(comparison.api_usd_per_mtok)


def test_selfhost_verb(call):
    code, out, err = call(f"selfhost {OPTIONS} --json")
    answer = json.loads(out)
    loads = [x["load"] for x in answer["against"]]
    assert (code, err) == (0, "") and loads == sorted(loads, reverse=True)
    code, out, _ = call(
        f"selfhost {OPTIONS} --rent 2.0 --input-price 1 --output-price 3 --cached-price 0.1 --cached-share 0.5 "
        "--own-cached-share 0 --json"
    )
    one = json.loads(out)["against"][0]
    assert one["api_usd_per_mtok"] == pytest.approx((0.55 + 3) / 2)
    candidate = json.loads(out)["candidate"]
    own = 2.0 / (candidate["tput_per_gpu"] * 0.0036)
    assert (one["own_usd_per_mtok"], one["load"]) == (pytest.approx(own), pytest.approx(own / 1.775))
    as_run = 2.0 / (candidate["recommended"]["tput_per_gpu"] * 0.0036)
    assert json.loads(out)["against_as_run"][0]["own_usd_per_mtok"] == pytest.approx(as_run)
    assert "break-even load" in call(f"selfhost {OPTIONS} --tco 2026-07 --tier rent-3yr")[1]


def test_own_api_prices(call, tmp_path):
    (tmp_path / "p.csv").write_text("model,provider,input_usd_per_mtok,output_usd_per_mtok\ndeepseek-r1,me,1,2\n")
    answer = json.loads(call(f"selfhost {OPTIONS} --api-prices p.csv --json")[1])
    assert [x["api"]["provider"] for x in answer["against"]] == ["me"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"selfhost {OPTIONS} --input-price 1", "two sides"),
        (f"selfhost {OPTIONS} --input-price -1 --output-price 1", "0 or more"),
        (f"selfhost {OPTIONS} --input-price 0 --output-price 0", "free"),
        (f"selfhost {OPTIONS} --cached-share 2", "between 0 and 1"),
        (f"selfhost {OPTIONS} --own-cached-share -1", "on your own side is -1"),
        (f"selfhost {OPTIONS} --batch-share 1.5", "can wait is 1.5"),
        (f"selfhost {OPTIONS} --cached-share 0.7 --cache-write-share 0.6", "together they must be at most 1"),
        (f"selfhost {OPTIONS} --day-curve 1,2,3", "has 3 weights; give 24"),
        (f"selfhost {OPTIONS} --day-curve ofice", "unknown day curve 'ofice': did you mean office"),
        (f"selfhost {OPTIONS} --tokens-per-day 0", "volume of a day is 0 tokens"),
        (f"selfhost {OPTIONS} --tokens-per-day 1e9 --requests-per-day 1e6", "give your volume once"),
        (f"selfhost {OPTIONS} --rent 2 --term spot", "give one price"),
        (f"selfhost {OPTIONS} --rent -2", "above 0"),
        (f"selfhost {OPTIONS} --term ever", "rental term"),
        (f"selfhost {OPTIONS} --cached-share nan", "not a finite number"),
        (f"selfhost {OPTIONS} --api-prices none.csv", "cannot be read"),
        (
            "selfhost --model llama-3-70b --precision fp8 --workload chat --e2e 0.01",
            "nothing serves llama-3-70b fp8 1024/1024",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert (code, out) == (2, "") and says in err and err.startswith("error: ") and err.count("\n") == 1


def test_a_free_api_has_no_break_even_load(call, tmp_path):
    (tmp_path / "p.csv").write_text("model,provider,input_usd_per_mtok,output_usd_per_mtok\ndeepseek-r1,me,0,0\n")
    code, _, err = call(f"selfhost {OPTIONS} --api-prices p.csv")
    assert code == 2 and "deepseek-r1 of me is free" in err
    with pytest.raises(BadConfig, match="is free"):
        self_host(own_price("m", 1, 0, 0), OwnDeployment(8, 2.0, 100), ApiUse(isl=1000, osl=1000, cached_share=1))


def test_a_day_with_peaks_and_a_volume(catalog):
    office = tuple(3.0 if 1 <= hour < 10 else 1.0 for hour in range(24))
    stated = replace(QUESTION, load_curve=office, requests_per_day=100_000)
    answer = selfhost(stated, served(catalog, *H200))
    day, decision = answer.day, answer.decision
    tokens = 100_000 * 2048
    assert day.tokens_per_day == tokens
    busiest = tokens / 86_400 * 3 / 1.75
    assert day.deployments == -(-busiest // (8 * 400)) == 2
    assert (day.gpus, day.idle_gpus, day.usd_per_day) == (16, 8, 16 * 2.0 * 24)
    assert decision.cheapest.api_usd_per_day == pytest.approx(tokens / 1e6 * 2)
    assert decision.cheaper == "API" and decision.saved_usd_per_day == pytest.approx(768 - 409.6)
    (as_run,) = answer.against_as_run
    assert as_run.load == pytest.approx(usd_per_mtok(2.0, 400) / 2) and as_run.most_load == pytest.approx(1.75 / 3)
    assert not as_run.pays
    late = selfhost(replace(stated, batch_share=0.5), served(catalog, *H200))
    assert late.decision.cheapest.most_load == 1 and late.decision.cheapest.pays
    assert selfhost(QUESTION, served(catalog, *H200)).decision.cheaper is None


CSV = """model,provider,name,tier,input_usd_per_mtok,output_usd_per_mtok,maker,peak_hours_utc
llama-3-70b,a,dear,standard,9,9,,
llama-3-70b,a,fair,off-peak,1,3,yes,
llama-3-70b,a,fair,peak,2,6,yes,00:00-12:00
llama-3-70b,a,fair,batch,0.5,1.5,,
"""


def test_the_cheapest_name_of_a_provider_or_every_tier(catalog, tmp_path):
    (tmp_path / "p.csv").write_text(CSV)
    own_table = replace(QUESTION, input_price=None, output_price=None, api_prices=tmp_path / "p.csv")
    data = served(catalog, *H200)
    answer = selfhost(own_table, data)
    assert [(s.api.name, s.tier, s.api_usd_per_mtok) for s in answer.against] == [("fair", "peak/off-peak", 3.0)]
    assert answer.decision.maker == answer.decision.cheapest
    every = [(s.tier, s.api_usd_per_mtok) for s in selfhost(replace(own_table, tiers=True), data).against]
    assert every == [
        ("all batch", 1.0),
        ("all off-peak", 2.0),
        ("peak/off-peak", 3.0),
        ("all peak", 4.0),
        ("standard", 9.0),
    ]
    half = selfhost(replace(own_table, batch_share=0.5), data)
    assert [(s.tier, s.api_usd_per_mtok) for s in half.against] == [("peak/off-peak, batch", 2.0)]


def test_hits_on_both_sides(catalog):
    stated = replace(QUESTION, cached_price=0.1, cached_share=0.6)
    stated = replace(stated, e2e_s=30.0)
    data = served(catalog, *curve("H200", (20, 64 * 2048 / 20 / 8), (30, 128 * 2048 / 30 / 8)))
    plain = selfhost(replace(stated, own_cached_share=0.0), data)
    both = selfhost(stated, data)
    assert plain.cache is None and both.cache.origin == "predicted" and both.cache.factor > 1.05
    (one,), (other,) = plain.against_as_run, both.against_as_run
    assert other.api_usd_per_mtok == one.api_usd_per_mtok == pytest.approx((0.4 * 1 + 0.6 * 0.1 + 3) / 2)
    assert other.own_usd_per_mtok == pytest.approx(one.own_usd_per_mtok / both.cache.factor)
    assert both.candidate == plain.candidate
    few = selfhost(replace(stated, own_cached_share=0.2), data)
    assert few.cache.share == 0.2 and 1 < few.cache.factor < both.cache.factor


def test_hits_that_cannot_be_predicted_are_not_counted(catalog, shown):
    answer = selfhost(replace(QUESTION, cached_share=0.6), served(catalog, *H200))
    assert (answer.cache.origin, answer.cache.factor) == ("none", 1.0) and "contradicts itself" in answer.cache.note
    (as_run,) = answer.against_as_run
    assert as_run.own_usd_per_mtok == pytest.approx(usd_per_mtok(2.0, 400))
    line = "selfhost --e2e 5 --rent 2 --input-price 1 --output-price 3 --cached-share 0.6"
    assert "60% of the input from your own cache: not counted: its run" in shown(line, *H200)


def test_hits_of_pools_and_of_speculation(call):
    answer = json.loads(call(f"selfhost {OPTIONS} --cached-share 0.6 --json")[1])
    assert answer["best_known"]["candidate"]["recommended"]["disaggregated"]
    for bound in (answer, answer["best_known"]):
        assert bound["cache"]["origin"] == "predicted" and 1 <= bound["cache"]["factor"] < 2


def test_a_volume_is_printed_with_both_bills(shown):
    office = ",".join("3" if 1 <= hour < 10 else "1" for hour in range(24))
    line = f"selfhost --e2e 5 --rent 2 --input-price 1 --output-price 3 --requests-per-day 1e5 --day-curve {office}"
    out = shown(line, *H200)
    assert "self-hosting costs more at any volume: 1.389 USD per million tokens at full load on H200 with vllm" in out
    assert "(8 GPUs); the load curve allows 58%" in out
    assert (
        "your 204.8 M tokens a day: own 768 USD on H200 with vllm, TP8, 128 users "
        "(16 GPUs, 37% used, 8 idle in the quietest hour), API 409.6 USD; "
        "the API saves 358.4 USD a day"
    ) in out
    assert "$/M USD/day load valid from" in out
    assert "allows 40%" in shown(line.replace(office, "office"), *H200)


def test_peak_hours_are_in_utc(catalog, tmp_path):
    (tmp_path / "p.csv").write_text(CSV)
    morning = tuple(1.0 if hour < 12 else 0.0 for hour in range(24))
    own_table = replace(
        QUESTION, input_price=None, output_price=None, api_prices=tmp_path / "p.csv", load_curve=morning
    )
    data = served(catalog, *H200)
    assert selfhost(own_table, data).against[0].api_usd_per_mtok == 4.0
    assert selfhost(replace(own_table, utc_offset=-12), data).against[0].api_usd_per_mtok == 2.0


def test_prices_that_begin_later_or_never(catalog, tmp_path):
    head = "model,provider,input_usd_per_mtok,output_usd_per_mtok,valid_from\n"
    (tmp_path / "p.csv").write_text(head + "llama-3-70b,a,1,3,2027-01-01\n")
    later = replace(QUESTION, input_price=None, output_price=None, api_prices=tmp_path / "p.csv", at=date(2026, 11, 24))
    with pytest.raises(NoData, match="no API price for llama-3-70b that holds on 2026-11-24"):
        selfhost(later, served(catalog, *H200))
    (tmp_path / "p.csv").write_text(head + "gpt-oss-20b,a,1,3,\n")
    with pytest.raises(NoData, match="no API price for llama-3-70b; give"):
        selfhost(later, served(catalog, *H200))
