"""Who should do what: both bounds, limits, the verb and what it prints, own figures, mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from paretoken.answers.advise import AdviseQuestion, advise
from paretoken.answers.buyers import BUYER_SEGMENTS
from paretoken.answers.points import Data
from paretoken.errors import NoData
from paretoken.frontier import Selection, verdict_at
from tests.support.points import prepared
from tests.support.served import CHAT, curve

OPTIONS = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"
QUESTION = AdviseQuestion(**CHAT, e2e_s=5.0, at=date(2026, 11, 24))
LIMITS = "at most 5 s end to end"
H200 = curve("H200", (2, 200), (4, 400), (8, 600))
MI300X = curve("MI300X", (2, 50), (4, 100), (8, 150))


def served(catalog, *rows):
    return Data(catalog, prepared(*rows))


def hyperscaler(answer):
    return answer.segments[0]


def test_both_bounds_each_with_its_winner(catalog):
    drafted = curve("MI300X", (2.1, 2000), (4.1, 2500), speculative="mtp")
    answer = advise(QUESTION, served(catalog, *H200, *MI300X, *drafted))
    assert (hyperscaler(answer).winner, answer.serving, answer.limits) == ("H200", "single-node", LIMITS)
    of_any = answer.best_known
    assert (hyperscaler(of_any).winner, of_any.serving, of_any.speculative) == ("MI300X", "any", "any")
    run = hyperscaler(of_any).best.recommended
    assert (run["tput_per_gpu"], run["speculation"], run["concurrency"]) == (2500, "mtp", 128)
    assert of_any.best_known is None
    assert advise(replace(QUESTION, serving="any"), served(catalog, *H200)).best_known is None


def test_no_plain_run_leaves_the_best_known(catalog):
    answer = advise(QUESTION, served(catalog, *curve("MI300X", (2.1, 500), (4.1, 900), speculative="mtp")))
    assert hyperscaler(answer).winner is None and answer.unmet
    assert hyperscaler(answer.best_known).winner == "MI300X" and answer.best_known.unmet is None
    with pytest.raises(NoData, match="the nearest is H200"):
        advise(replace(QUESTION, e2e_s=0.1), served(catalog, *H200))


def test_whatever_is_faster_meets_a_limit_and_two_limits_hold_at_once(catalog):
    """B200 ends at 2 s and still wins at 100 s; a limit on the first token takes out who starts late."""
    points = served(catalog, *H200, *curve("B200", (1, 400), (2, 2000)))
    assert hyperscaler(advise(replace(QUESTION, e2e_s=100.0), points)).winner == "B200"
    late = [r | {"median_ttft_s": 1.9} for r in curve("B200", (1, 400), (2, 2000))]
    with_ttft = replace(QUESTION, ttft=("p50=1s",))
    assert hyperscaler(advise(with_ttft, served(catalog, *H200, *late))).winner == "H200"


def test_inconsistent_data_are_no_recommendation(catalog):
    h100 = curve("H100", (2, 800), (4, 1600))
    answer = advise(QUESTION, served(catalog, *H200, *h100))
    assert hyperscaler(answer).winner is None
    assert "H200 has at least the hardware of H100" in hyperscaler(answer).withheld


def test_the_winner_of_advise_is_that_of_compare_at_equal_prices(catalog):
    points = served(catalog, *H200, *MI300X)
    segment = hyperscaler(advise(QUESTION, points))
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
    code, out, err = call(f"advise {OPTIONS} --json")
    segments = {x["segment"]: x for x in json.loads(out)["segments"]}
    assert (code, err, len(segments)) == (0, "", 4)
    for segment in segments.values():
        assert segment["choices"] and segment["runner_up"] and segment["choices"][0]["data"]
        assert bool(segment["winner"]) == bool(segment["changes"]) != bool(segment["withheld"])
    assert json.loads(out)["best_known"]["segments"][0]["choices"]
    assert {x["procurement"] for x in segments["enterprise"]["choices"]} >= {"own", "3-year rental, survey"}
    assert {x["procurement"] for x in segments["team"]["choices"]} >= {"rent, on-demand", "retail rental, survey"}
    assert {x["procurement"] for x in segments["team"]["unranked"]} == {"retail rental, survey"}
    code, out, err = call(f"advise {OPTIONS}")
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


def test_what_the_prices_rest_on_is_printed_in_100_columns(call, terminal):
    with terminal(100) as screen:
        call(f"advise {OPTIONS} --at 2026-11-24")
    out = " ".join(screen.text.split())
    assert "retail rental, survey (B200 3.70 USD): survey, TCO set 2026-09; on-demand: market median 6.69 USD" in out
    assert "own (MI355X 1.50 USD, B200 1.73 USD" in out and "left out: release" in out


def test_own_figures_change_the_advice(call, tmp_path):
    (tmp_path / "mine.toml").write_text("electricity_usd_per_kwh = 1.0\n")
    before, after = (json.loads(call(f"advise {OPTIONS} {x} --json")[1]) for x in ("", "--set mine.toml"))
    cost = [x["segments"][0]["choices"][0]["usd_per_gpu_h"] for x in (before, after)]
    assert cost[1] > cost[0] + 0.5


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"advise {OPTIONS} --serving-load nan", "not a finite number"),
        (
            "advise --model llama-3-70b --precision fp8 --workload chat --e2e 0.01",
            "nothing serves llama-3-70b fp8 1024/1024",
        ),
        ("advise --model llama-3-70b --precision fp8 --workload chat", "no latency limit is given"),
        (f"advise {OPTIONS} --at 2030-01-01", "is in the future"),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert (code, out) == (2, "") and says in err and err.startswith("error: ") and err.count("\n") == 1
