"""The advice for a buyer segment: ranking, what is withheld or fragile, the run to repeat, break-even prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.answers.buyers import BUYER_SEGMENTS, Procurement, advise
from paretoken.frontier import Candidate, Verdict, confidence
from paretoken.prices import tariff, usd_per_mtok


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
    candidates = [candidate("A", 1000), candidate("A", 800, engine="f"), candidate("B", 500), candidate("C", 100)]
    options = [option(catalog, "team", "spot", {"A": 2.0}), option(catalog, "team", "on-demand", {"A": 3.0, "B": 1.2})]
    advice = of(advise(candidates, options, judge(candidates)), "team")
    assert [a.segment for a in advise(candidates, options, judge(candidates))] == [s.key for s in BUYER_SEGMENTS]
    assert [(x.accelerator, x.procurement) for x in advice.choices[:2]] == [
        ("A", "spot"),
        ("B", "on-demand"),
    ]
    costs = [x.usd_per_mtok_total for x in advice.choices]
    assert costs == sorted(costs)
    assert advice.runner_up.accelerator == "B"
    assert advice.margin == pytest.approx((1.2 / 500) / (2 / 1000) - 1)
    assert of(advise(candidates, options, judge(candidates)), "hyperscaler").best is None


def test_what_would_change_the_answer(catalog):
    candidates = [candidate("A", 1000), candidate("B", 500), candidate("C", 100)]
    options = [option(catalog, "enterprise", "own", {"A": 2.0, "B": 1.2})]
    changes = {c.accelerator: c for c in of(advise(candidates, options, judge(candidates)), "enterprise").changes}
    assert (changes["B"].usd_needed, changes["B"].usd_now) == (pytest.approx(1.0), 1.2)
    assert changes["B"].by == pytest.approx(1 / 6)
    assert (changes["C"].usd_needed, changes["C"].usd_now, changes["C"].by) == (pytest.approx(0.2), None, None)
    level = [option(catalog, "enterprise", "own", {"A": 2.0, "B": changes["B"].usd_needed})]
    assert of(advise(candidates, level, judge(candidates)), "enterprise").margin == pytest.approx(0, abs=1e-12)


def test_the_nearest_break_even_comes_first(catalog):
    candidates = [candidate("A", 1000), candidate("B", 500), candidate("D", 400)]
    options = [option(catalog, "neocloud", "own", {"A": 2.0, "B": 9.0, "D": 0.9})]
    assert [c.accelerator for c in of(advise(candidates, options, judge(candidates)), "neocloud").changes] == ["D", "B"]


def test_what_cannot_be_had_is_ranked_last(catalog):
    candidates = [candidate("A", 1000), candidate("B", 500)]
    options = [option(catalog, "team", "survey", {"A": 1.0, "B": 2.0}, scarce=["A"])]
    advice = of(advise(candidates, options, judge(candidates)), "team")
    assert advice.best.accelerator == "B" and advice.choices[1].scarce == "nobody"
    assert "scarce: nobody" in advice.choices[1].data and advice.margin < 0 and advice.confidence == "scarce"
    assert advice.changes[0].already_cheaper
    assert [x.scarce for x in advice.choices] == [None, "nobody"]


def test_an_unranked_price_wins_nothing_and_breaks_even_with_nothing(catalog):
    candidates = [candidate("A", 1000), candidate("B", 500)]
    options = [
        option(catalog, "team", "survey", {"A": 2.0, "B": 0.1}, unranked=["B"]),
        option(catalog, "team", "on-demand", {"B": 3.0}),
    ]
    weights = []
    advice = of(advise(candidates, options, lambda usd: weights.append(usd) or judge(candidates)(usd)), "team")
    assert [(x.accelerator, x.procurement) for x in advice.choices] == [("A", "survey"), ("B", "on-demand")]
    assert [(x.accelerator, x.usd_per_gpu_h) for x in advice.unranked] == [("B", 0.1)]
    assert (advice.winner, advice.changes[0].usd_now, weights) == ("A", 3.0, [{"A": 0.5, "B": 1 / 3}])
    assert advice.cheaper_as_run is None


def test_a_neoclouds_margin_and_thin_data(catalog):
    candidates = [candidate("A", 1000, n_points=2), candidate("B", 900)]
    options = [option(catalog, "neocloud", "own", {"A": 1.0, "B": 1.0})]
    advice = of(advise(candidates, options, judge(candidates), rents_usd={"A": 2.5}), "neocloud")
    assert advice.best.rent_margin == pytest.approx(0.6) and advice.runner_up.rent_margin is None
    assert "thin" in advice.confidence and "2 published points" in advice.best.data


def test_the_word_is_the_verdicts_at_the_best_price_of_each(catalog):
    """Scarce prices take no part where an available one is second."""
    candidates = [candidate("A", 1000), candidate("B", 500), candidate("C", 900)]
    options = [
        option(catalog, "team", "spot", {"A": 2.0, "B": 1.5, "C": 1.0}, scarce=["C"]),
        option(catalog, "team", "on-demand", {"A": 3.0, "B": 1.2}),
    ]
    weights = []

    def verdict(tokens_per_usd):
        weights.append(tokens_per_usd)
        return judge(candidates, days_apart=120, fragile="one load level decides it")(tokens_per_usd)

    advice = of(advise(candidates, options, verdict), "team")
    assert weights == [{"A": 0.5, "B": pytest.approx(1 / 1.2)}]
    assert (advice.winner, advice.fragile, advice.stale) == ("A", "one load level decides it", True)


def test_a_withheld_verdict_recommends_nothing(catalog):
    candidates = [candidate("A", 1000), candidate("B", 500)]
    options = [option(catalog, "team", "spot", {"A": 1.0, "B": 1.0})]
    advice = of(advise(candidates, options, judge(candidates, withheld="inconsistent data: …")), "team")
    assert (advice.winner, advice.best, advice.changes, advice.cheaper_as_run) == (None, None, (), None)
    assert advice.withheld and len(advice.choices) == 2


def test_the_run_to_repeat_has_its_own_cost(catalog):
    candidates = [candidate("A", 1000, as_run=400), candidate("B", 500)]
    options = [option(catalog, "team", "spot", {"A": 1.0, "B": 1.0})]
    advice = of(advise(candidates, options, judge(candidates)), "team")
    best = advice.best
    assert (best.accelerator, best.interpolated, best.recommended["tput_per_gpu"]) == ("A", True, 400)
    assert best.usd_per_mtok_total == pytest.approx(usd_per_mtok(1.0, 1000))
    assert best.usd_per_mtok_recommended == pytest.approx(usd_per_mtok(1.0, 400))
    assert advice.cheaper_as_run.accelerator == "B"
