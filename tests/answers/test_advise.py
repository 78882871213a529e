"""Who should do what: rankings, both bounds, what is withheld or fragile, runs to repeat, break-evens, mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from paretoken.answers.advise import AdviseQuestion, procurement_options
from paretoken.answers.advise import advise as advise_question
from paretoken.answers.buyers import BUYER_SEGMENTS, Procurement, advise
from paretoken.answers.market import Market
from paretoken.answers.points import Data
from paretoken.errors import NoData
from paretoken.frontier import Candidate, Selection, Verdict, confidence, verdict_at
from paretoken.prices import tariff, usd_per_mtok
from paretoken.prices.market.book import SCHEMA
from paretoken.prices.market.facts import market_facts
from paretoken.prices.market.quality_flags import flagged
from tests.support.points import prepared
from tests.support.served import CHAT, curve

QUESTION = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"


def candidate(name, tput, n_points=9, engine="e", as_run=None):
    run = {"tp": 8, "concurrency": 32.0, "n_gpus": 8, "disaggregated": False, "tput_per_gpu": as_run or tput}
    return Candidate(
        accelerator=name,
        engine=engine,
        origin="published",
        software="0.5.12",
        date="2026-05-18",
        tput_per_gpu=tput,
        input_tput_per_gpu=None,
        output_tput_per_gpu=None,
        e2e_s=1.0,
        interactivity_tok_s=40.0,
        e2e_basis="measured",
        tp="8",
        source="test",
        n_points=n_points,
        recommended=run,
        interpolated=as_run is not None,
        around=(),
    )


def judge(candidates, **doubts):
    """The verdict on candidates, with the doubts given."""

    def verdict(tokens_per_usd):
        best = {}
        for c in candidates:
            if c.accelerator in tokens_per_usd:
                value = c.tput_per_gpu * tokens_per_usd[c.accelerator]
                best[c.accelerator] = max((value, c), best.get(c.accelerator, (0, c)), key=lambda x: x[0])
        (first, one), *rest = sorted(best.values(), key=lambda x: -x[0])
        margin = first / rest[0][0] - 1 if rest else None
        n = min([one.n_points, *(c.n_points for _, c in rest[:1])])
        word = "uncontested" if margin is None else confidence(margin, n)
        return Verdict(
            winner=one.accelerator,
            engine=one.engine,
            origin=one.origin,
            n_points=n,
            margin=margin,
            confidence=word,
            **doubts,
        )

    return verdict


def option(catalog, segment, name, prices, scarce=(), unranked=()):
    price = replace(tariff(catalog), usd_per_gpu_h=prices)
    why = dict.fromkeys(scarce, "nobody")
    return Procurement(segment, name, price, dict.fromkeys(prices, "test"), why, unranked)


def of(advice, key):
    return next(a for a in advice if a.segment == key)


def test_every_segment_is_ranked_by_the_cost_of_tokens(catalog):
    found = [candidate("A", 1000), candidate("A", 800, engine="f"), candidate("B", 500), candidate("C", 100)]
    options = [option(catalog, "team", "spot", {"A": 2.0}), option(catalog, "team", "on-demand", {"A": 3.0, "B": 1.2})]
    advice = of(advise(found, options, judge(found)), "team")
    assert [a.segment for a in advise(found, options, judge(found))] == [s.key for s in BUYER_SEGMENTS]
    assert [(x.accelerator, x.procurement) for x in advice.choices[:2]] == [
        ("A", "spot"),
        ("B", "on-demand"),
    ]
    costs = [x.usd_per_mtok_total for x in advice.choices]
    assert costs == sorted(costs)
    assert advice.runner_up.accelerator == "B"
    assert advice.margin == pytest.approx((1.2 / 500) / (2 / 1000) - 1)
    assert of(advise(found, options, judge(found)), "hyperscaler").best is None


def test_what_would_change_the_answer(catalog):
    found = [candidate("A", 1000), candidate("B", 500), candidate("C", 100)]
    options = [option(catalog, "enterprise", "own", {"A": 2.0, "B": 1.2})]
    changes = {c.accelerator: c for c in of(advise(found, options, judge(found)), "enterprise").changes}
    assert (changes["B"].usd_needed, changes["B"].usd_now) == (pytest.approx(1.0), 1.2)
    assert changes["B"].by == pytest.approx(1 / 6)
    assert (changes["C"].usd_needed, changes["C"].usd_now, changes["C"].by) == (pytest.approx(0.2), None, None)
    level = [option(catalog, "enterprise", "own", {"A": 2.0, "B": changes["B"].usd_needed})]
    assert of(advise(found, level, judge(found)), "enterprise").margin == pytest.approx(0, abs=1e-12)


def test_the_nearest_break_even_comes_first(catalog):
    found = [candidate("A", 1000), candidate("B", 500), candidate("D", 400)]
    options = [option(catalog, "neocloud", "own", {"A": 2.0, "B": 9.0, "D": 0.9})]
    assert [c.accelerator for c in of(advise(found, options, judge(found)), "neocloud").changes] == ["D", "B"]


def test_what_cannot_be_had_is_ranked_last(catalog):
    found = [candidate("A", 1000), candidate("B", 500)]
    options = [option(catalog, "team", "survey", {"A": 1.0, "B": 2.0}, scarce=["A"])]
    advice = of(advise(found, options, judge(found)), "team")
    assert advice.best.accelerator == "B" and advice.choices[1].scarce == "nobody"
    assert "scarce: nobody" in advice.choices[1].data and advice.margin < 0 and advice.confidence == "scarce"
    assert advice.changes[0].already_cheaper
    assert [x.scarce for x in advice.choices] == [None, "nobody"]


def test_an_unranked_price_wins_nothing_and_breaks_even_with_nothing(catalog):
    found = [candidate("A", 1000), candidate("B", 500)]
    options = [
        option(catalog, "team", "survey", {"A": 2.0, "B": 0.1}, unranked=["B"]),
        option(catalog, "team", "on-demand", {"B": 3.0}),
    ]
    asked = []
    advice = of(advise(found, options, lambda usd: asked.append(usd) or judge(found)(usd)), "team")
    assert [(x.accelerator, x.procurement) for x in advice.choices] == [("A", "survey"), ("B", "on-demand")]
    assert [(x.accelerator, x.usd_per_gpu_h) for x in advice.unranked] == [("B", 0.1)]
    assert (advice.winner, advice.changes[0].usd_now, asked) == ("A", 3.0, [{"A": 0.5, "B": 1 / 3}])
    assert advice.cheaper_as_run is None


def test_a_neoclouds_margin_and_thin_data(catalog):
    found = [candidate("A", 1000, n_points=2), candidate("B", 900)]
    options = [option(catalog, "neocloud", "own", {"A": 1.0, "B": 1.0})]
    advice = of(advise(found, options, judge(found), rents_usd={"A": 2.5}), "neocloud")
    assert advice.best.rent_margin == pytest.approx(0.6) and advice.runner_up.rent_margin is None
    assert "thin" in advice.confidence and "2 published points" in advice.best.data


def test_the_word_is_the_verdicts_at_the_best_price_of_each(catalog):
    """Scarce prices take no part where an available one is second."""
    found = [candidate("A", 1000), candidate("B", 500), candidate("C", 900)]
    options = [
        option(catalog, "team", "spot", {"A": 2.0, "B": 1.5, "C": 1.0}, scarce=["C"]),
        option(catalog, "team", "on-demand", {"A": 3.0, "B": 1.2}),
    ]
    asked = []

    def seen(weights):
        asked.append(weights)
        return judge(found, days_apart=120, fragile="one load level decides it")(weights)

    advice = of(advise(found, options, seen), "team")
    assert asked == [{"A": 0.5, "B": pytest.approx(1 / 1.2)}]
    assert (advice.winner, advice.fragile, advice.stale) == ("A", "one load level decides it", True)


def test_a_withheld_verdict_recommends_nothing(catalog):
    found = [candidate("A", 1000), candidate("B", 500)]
    options = [option(catalog, "team", "spot", {"A": 1.0, "B": 1.0})]
    advice = of(advise(found, options, judge(found, withheld="inconsistent data: …")), "team")
    assert (advice.winner, advice.best, advice.changes, advice.cheaper_as_run) == (None, None, (), None)
    assert advice.withheld and len(advice.choices) == 2


def test_the_run_to_repeat_has_its_own_cost(catalog):
    found = [candidate("A", 1000, as_run=400), candidate("B", 500)]
    options = [option(catalog, "team", "spot", {"A": 1.0, "B": 1.0})]
    advice = of(advise(found, options, judge(found)), "team")
    best = advice.best
    assert (best.accelerator, best.interpolated, best.recommended["tput_per_gpu"]) == ("A", True, 400)
    assert best.usd_per_mtok_total == pytest.approx(usd_per_mtok(1.0, 1000))
    assert best.usd_per_mtok_recommended == pytest.approx(usd_per_mtok(1.0, 400))
    assert advice.cheaper_as_run.accelerator == "B"


ASKED = AdviseQuestion(**CHAT, e2e_s=5.0, at=date(2026, 11, 24))
H200 = curve("H200", (2, 200), (4, 400), (8, 600))
MI300X = curve("MI300X", (2, 50), (4, 100), (8, 150))


def served(catalog, *rows):
    return Data(catalog, prepared(*rows))


def hyperscaler(answer):
    return answer.segments[0]


def test_both_bounds_each_with_its_winner(catalog):
    drafted = curve("MI300X", (2.1, 2000), (4.1, 2500), speculative="mtp")
    answer = advise_question(ASKED, served(catalog, *H200, *MI300X, *drafted))
    assert (hyperscaler(answer).winner, answer.serving, answer.limits) == ("H200", "single-node", ANY)
    of_any = answer.best_known
    assert (hyperscaler(of_any).winner, of_any.serving, of_any.speculative) == ("MI300X", "any", "any")
    run = hyperscaler(of_any).best.recommended
    assert (run["tput_per_gpu"], run["speculation"], run["concurrency"]) == (2500, "mtp", 128)
    assert of_any.best_known is None
    assert advise_question(replace(ASKED, serving="any"), served(catalog, *H200)).best_known is None


ANY = "at most 5 s end to end"


def test_no_plain_run_leaves_the_best_known(catalog):
    answer = advise_question(ASKED, served(catalog, *curve("MI300X", (2.1, 500), (4.1, 900), speculative="mtp")))
    assert hyperscaler(answer).winner is None and answer.unmet
    assert hyperscaler(answer.best_known).winner == "MI300X" and answer.best_known.unmet is None
    with pytest.raises(NoData, match="the nearest is H200"):
        advise_question(replace(ASKED, e2e_s=0.1), served(catalog, *H200))


def test_whatever_is_faster_meets_a_limit_and_two_limits_hold_at_once(catalog):
    """B200 ends at 2 s and still wins at 100 s; a limit on the first token takes out who starts late."""
    points = served(catalog, *H200, *curve("B200", (1, 400), (2, 2000)))
    assert hyperscaler(advise_question(replace(ASKED, e2e_s=100.0), points)).winner == "B200"
    late = [r | {"median_ttft_s": 1.9} for r in curve("B200", (1, 400), (2, 2000))]
    with_ttft = replace(ASKED, ttft=("p50=1s",))
    assert hyperscaler(advise_question(with_ttft, served(catalog, *H200, *late))).winner == "H200"


def test_inconsistent_data_are_no_recommendation(catalog):
    h100 = curve("H100", (2, 800), (4, 1600))
    answer = advise_question(ASKED, served(catalog, *H200, *h100))
    assert hyperscaler(answer).winner is None
    assert "H200 has at least the hardware of H100" in hyperscaler(answer).withheld


def test_the_winner_of_advise_is_that_of_compare_at_equal_prices(catalog, call):
    points = served(catalog, *H200, *MI300X)
    segment = hyperscaler(advise_question(ASKED, points))
    weights = {x.accelerator: 1 / x.usd_per_gpu_h for x in reversed(segment.choices)}
    chosen = Selection(model="llama-3-70b", precision="fp8", isl=1024, osl=1024)
    verdict = verdict_at(points.curves(chosen, "e2e"), 5.0, weights, points.hardware_order)
    assert (segment.winner, segment.confidence, segment.fragile) == (
        verdict.winner,
        verdict.confidence,
        verdict.fragile,
    )
    assert segment.margin == pytest.approx(verdict.margin)


def test_advise_verb(call):
    code, out, err = call(f"advise {QUESTION} --json")
    segments = {x["segment"]: x for x in json.loads(out)["segments"]}
    assert (code, err, len(segments)) == (0, "", 4)
    for segment in segments.values():
        assert segment["choices"] and segment["runner_up"] and segment["choices"][0]["data"]
        assert bool(segment["winner"]) == bool(segment["changes"]) != bool(segment["withheld"])
    assert json.loads(out)["best_known"]["segments"][0]["choices"]
    assert {x["procurement"] for x in segments["enterprise"]["choices"]} >= {"own", "3-year rental, survey"}
    assert {x["procurement"] for x in segments["team"]["choices"]} >= {"rent, on-demand", "retail rental, survey"}
    assert {x["procurement"] for x in segments["team"]["unranked"]} == {"retail rental, survey"}
    code, out, err = call(f"advise {QUESTION}")
    assert (code, err) == (0, "") and all(segment.title in out for segment in BUYER_SEGMENTS)


def test_the_run_the_doubts_and_both_bounds_are_printed(shown):
    drafted = curve("MI300X", (2.1, 2000), (4.1, 2500), (8.1, 2600), speculative="mtp", date="2026-06-01")
    out = shown("advise --e2e 5", *H200, *MI300X, *drafted)
    assert out.startswith("At most 5 s end to end")
    assert "plain: H200 with vllm 2026-01, TP8, 128 users, own: " in out and "interpolated at the limit" in out
    assert "best known: MI300X with vllm 2026-06, TP8, 128 users, own: " in out
    assert "the software of the two is 151 days apart" in out
    only = shown("advise --e2e 5 --slo tpot=4ms", *H200, *drafted)
    assert "plain: H200" in only and "best known: MI300X" in only
    withheld = shown("advise --e2e 5", *H200, *curve("H100", (2.1, 800), (4.1, 1600)))
    assert (
        "plain and best known: no recommendation, inconsistent data: with at most 5 s end to end H200 serves"
        in withheld
    )
    assert "plain and best known: H100" not in withheld


def test_a_run_that_is_cheaper_as_run_is_named(shown):
    """H200 is interpolated far above its run at 2 s; B200 was run at the limit."""
    out = shown("advise --e2e 3.9", *curve("H200", (2, 200), (4, 600)), *curve("B200", (1, 300), (3.9, 420)))
    assert "as run, B200 with vllm, TP8, 128 users, own is cheaper: " in out


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
    assert "retail rental, survey (scarce)" in team and "best known" in team
    assert "MI355X is cheaper where it is available at 2.90" in team and "+81%" not in team
    assert "breaks even at" in out


def test_scarcity_of_amd_on_the_market_is_said(call):
    team = json.loads(call(f"advise {QUESTION} --json")[1])["segments"][3]
    rents = {x["accelerator"]: x["data"] for x in team["choices"] if x["procurement"].endswith("survey")}
    assert "scarce: 1 provider rents it out" in rents["MI355X"]
    assert team["choices"][0]["accelerator"] != "MI355X"


def offers(*prices, term="on-demand"):
    """H200 on the market on the day of `ASKED`, one provider a price."""
    rows = [
        dict.fromkeys(SCHEMA)
        | {"provider": f"p{i}", "accelerator": "H200", "form": "SXM", "count": 8, "term": term, "statistic": "offer"}
        | {"price": usd, "currency": "USD", "usd_per_gpu_h": usd, "date": date(2026, 11, 20), "source": "test"}
        for i, usd in enumerate(prices)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def surveyed(catalog, book, segment, accelerator="H200"):
    """(whether the surveyed price of a segment is ranked, what it rests on)."""
    options = procurement_options(Market(catalog, flagged(book, catalog), ASKED.at), [accelerator])
    survey = next(p for p in options if p.segment == segment and p.name.endswith("survey"))
    return accelerator not in survey.unranked, survey.basis[accelerator]


def test_a_survey_competes_only_where_the_market_has_no_median(catalog):
    """H200 is 2.90 in the survey."""
    assert surveyed(catalog, offers(2.5, 2.9, 4.0, 5.0), "team") == (
        False,
        "survey, TCO set 2026-09; on-demand: market median 3.45 USD, 2 of 4 providers at or below it",
    )
    ranked, basis = surveyed(catalog, offers(4.0, 5.0), "team")
    assert ranked and basis.endswith("on-demand: too few providers for a median, none of 2 providers at or below it")


@pytest.mark.parametrize(
    ("segment", "term", "ranked"),
    [
        ("team", "spot", True),
        ("team", "3-year", True),
        ("team", "1-month", False),
        ("enterprise", "on-demand", True),
        ("enterprise", "1-year", True),
        ("enterprise", "3-year", False),
    ],
)
def test_only_comparable_terms_stand_against_a_survey(catalog, segment, term, ranked):
    result, basis = surveyed(catalog, offers(4.0, 5.0, 6.0, term=term), segment)
    assert result == ranked == ("no market price at" in basis)


def test_the_team_is_recommended_what_the_market_asks(call):
    line = f"advise {QUESTION} --at 2026-11-24"
    team = json.loads(call(f"{line} --json")[1])["segments"][3]
    assert {x["procurement"] for x in team["choices"] if not x["scarce"]} == {"rent, on-demand"}
    out = call(line)[1]
    printed = out[out.index("A team") :]
    assert "retail rental, survey (not ranked)" in printed and "GPU-hour (-42% from 4.25" not in printed
    assert "plain: B200" in printed and "TP4, 16 users, rent, on-demand: " in printed


def test_what_the_prices_rest_on_is_printed_in_100_columns(call, monkeypatch):
    monkeypatch.setattr("paretoken.cli.output.WIDTH_OF_A_PIPE", 100)
    out = " ".join(call(f"advise {QUESTION} --at 2026-11-24")[1].split())
    assert "retail rental, survey (B200 3.7 USD): survey, TCO set 2026-09; on-demand: market median 6.69 USD" in out
    assert "own (MI355X 1.5 USD, B200 1.73 USD" in out and "columns left out: release" in out


def test_own_figures_change_the_advice(call, tmp_path):
    (tmp_path / "mine.toml").write_text("electricity_usd_per_kwh = 1.0\n")
    before, after = (json.loads(call(f"advise {QUESTION} {x} --json")[1]) for x in ("", "--set mine.toml"))
    cost = [x["segments"][0]["choices"][0]["usd_per_gpu_h"] for x in (before, after)]
    assert cost[1] > cost[0] + 0.5


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"advise {QUESTION} --serving-load nan", "not a finite number"),
        (
            "advise --model llama-3-70b --precision fp8 --workload chat --e2e 0.01",
            "nothing serves llama-3-70b fp8 1024/1024",
        ),
        ("advise --model llama-3-70b --precision fp8 --workload chat", "no latency limit is given"),
        (f"advise {QUESTION} --at 2030-01-01", "is in the future"),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert (code, out) == (2, "") and says in err and err.startswith("error: ") and err.count("\n") == 1


def test_market_facts_are_dated_and_sourced():
    facts = market_facts()
    assert all(f.date and f.source and f.value for f in facts)
    assert {f.topic for f in market_facts(("rental", "supply"))} == {"rental", "supply"}
    assert any(f.value == ">100" for f in market_facts(("rental",)))
