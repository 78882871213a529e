"""`compare` within limits: at most and at least, several at once, both bounds, runs to repeat, newer releases."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.frontier import FrontierQuestion, frontiers
from paretoken.answers.points import Data
from paretoken.answers.seam import to_json
from paretoken.cli.main import paretoken
from paretoken.errors import BadConfig, NoData
from tests.support.points import prepared, row

ASKED = CompareQuestion(model="llama-3-70b", precision="fp8", isl=1024, osl=1024, e2e_s=5.0)


def run(accelerator: str, load: float, e2e_s: float, tput: float, **changes) -> dict:
    ttft_s = changes.pop("median_ttft_s", e2e_s / 10)
    return row(
        accelerator=accelerator,
        concurrency=load,
        median_e2e_s=e2e_s,
        median_ttft_s=ttft_s,
        median_tpot_s=(e2e_s - ttft_s) / 1023,
        total_tput_per_gpu_tok_s=tput,
        **changes,
    )


@pytest.fixture
def data(catalog):
    return lambda *rows: Data(catalog, prepared(*rows))


H200 = [run("H200", 4, 2, 100), run("H200", 8, 4, 200), run("H200", 16, 8, 300)]
B200 = [run("B200", 4, 1, 150), run("B200", 8, 2, 400)]


def test_at_most_and_at_least_let_every_faster_configuration_count(data):
    """B200's data end at 2 s; nobody who tolerates 8 s gets less from it."""
    points = data(*H200, *B200)
    for limit in (2.0, 5.0, 8.0, 100.0):
        answer = compare(replace(ASKED, e2e_s=limit), points)
        assert answer.throughput_winner == "B200"
        assert answer.candidates[0].tput_per_gpu >= 150
    slow = compare(replace(ASKED, e2e_s=None, interactivity=1.0), points)
    assert {c.accelerator: c.tput_per_gpu for c in slow.candidates} == {"B200": 400, "H200": 300}
    assert (slow.value, slow.limits) == (1.0, "at least 1 tok/s/user")


def test_two_limits_hold_at_once_on_points_that_state_both(data):
    slow_start = run("B200", 32, 3, 900, median_ttft_s=2.5)
    unstated = run("B200", 64, 3, 5000) | {"median_ttft_s": None}
    points = data(*H200, *B200, slow_start, unstated)
    assert best(compare(ASKED, points), "B200") == 5000
    with_ttft = compare(replace(ASKED, ttft=("p50=1s",)), points)
    assert best(with_ttft, "B200") == 400
    assert with_ttft.limits == "at most 5 s end to end, TTFT p50 at most 1 s"
    both = compare(replace(ASKED, e2e_s=8.0, interactivity=250.0), data(*H200))
    assert 200 < best(both, "H200") < 300
    assert both.candidates[0].recommended["tput_per_gpu"] == 200
    only_ttft = compare(replace(ASKED, e2e_s=None, slo="ttft=0.5s"), points)
    assert (only_ttft.value, best(only_ttft, "H200"), best(only_ttft, "B200")) == (None, 200, 400)


def test_a_limit_that_another_implies_changes_nothing_and_more_limits_never_help(data):
    points = data(*H200, *B200)
    alone = compare(replace(ASKED, e2e_s=6.0), points)
    implied = compare(replace(ASKED, e2e_s=6.0, interactivity=1.0), points)
    assert [c.tput_per_gpu for c in implied.candidates] == [c.tput_per_gpu for c in alone.candidates]
    for e2e_s in (2.0, 3.0, 5.0, 8.0):
        for tok_s in (120.0, 200.0, 350.0, 600.0):
            both = compare(replace(ASKED, e2e_s=e2e_s, interactivity=tok_s), points)
            for one in (replace(ASKED, e2e_s=e2e_s), replace(ASKED, e2e_s=None, interactivity=tok_s)):
                single = {c.accelerator: c.tput_per_gpu for c in compare(one, points).candidates}
                assert all(c.tput_per_gpu <= single[c.accelerator] * (1 + 1e-6) for c in both.candidates)
            assert all(c.recommended["interactivity_tok_s"] >= tok_s for c in both.candidates)


def test_an_slo_on_an_axis_is_that_axis(data):
    points = data(*H200, *B200)
    by_slo = compare(replace(ASKED, e2e_s=None, slo="e2e=5s"), points)
    assert (by_slo.value, by_slo.candidates) == (5.0, compare(ASKED, points).candidates)
    by_slo = compare(replace(ASKED, e2e_s=None, slo="interactivity=300"), points)
    assert by_slo.candidates == compare(replace(ASKED, e2e_s=None, interactivity=300.0), points).candidates


def test_an_engine_whose_state_reports_no_ttft_answers_with_the_newest_that_does(data):
    silent = [r | {"median_ttft_s": None, "date": "2026-05-01"} for r in B200]
    old = [r | {"total_tput_per_gpu_tok_s": 0.5 * r["total_tput_per_gpu_tok_s"]} for r in B200]
    answer = compare(replace(ASKED, ttft=("p50=1s",)), data(*H200, *old, *silent))
    software = {c.accelerator: c.software for c in answer.candidates}
    assert software == {"H200": "2026-01", "B200": "2026-01"}


def test_the_best_known_is_never_below_plain(data):
    drafted = [run("B200", 4, 1, 100, speculative="mtp"), run("B200", 8, 2, 150, speculative="mtp")]
    answer = compare(ASKED, data(*H200, *B200, *drafted))
    assert best(answer.best_known, "B200") >= best(answer, "B200")


def best(answer, accelerator: str) -> float:
    return next(c.tput_per_gpu for c in answer.candidates if c.accelerator == accelerator)


def test_both_bounds_stand_side_by_side_each_with_its_winner(data):
    pools = [
        run("H200", 8, 2, 900, disaggregated=True, engine="dynamo-sglang", prefill_tp=4),
        run("H200", 8, 4, 500, speculative="mtp"),
    ]
    answer = compare(ASKED, data(*H200, *B200, *pools))
    assert (answer.serving, answer.throughput_winner, best(answer, "B200")) == ("single-node", "B200", 400)
    of_any = answer.best_known
    assert (of_any.serving, of_any.speculative, of_any.throughput_winner) == ("any", "any", "H200")
    assert best(of_any, "H200") == 900 and of_any.best_known is None
    assert to_json(answer)["best_known"]["winner"] == "H200"
    one = compare(replace(ASKED, serving="any"), data(*H200, *B200, *pools))
    assert one.best_known is None


def test_plain_serving_that_nobody_ran_leaves_the_best_known(data):
    answer = compare(ASKED, data(*(r | {"speculative": "mtp"} for r in B200)))
    assert (answer.candidates, answer.winner, answer.best_known.winner) == ((), None, "B200")


def test_the_run_to_repeat_and_its_cost(data):
    (candidate,) = compare(ASKED, data(*H200)).candidates
    assert candidate.interpolated and 200 < candidate.tput_per_gpu < 300
    assert (candidate.recommended["concurrency"], candidate.recommended["tput_per_gpu"]) == (8, 200)
    ratio = candidate.usd_per_mtok_recommended / candidate.usd_per_mtok_total
    assert ratio == pytest.approx(candidate.tput_per_gpu / 200)


def test_a_newer_release_with_few_loads_is_shown_beside_the_ranked_one(data):
    new = run("H200", 8, 3.9, 900, date="2026-05-01", engine_version="0.12.0")
    answer = compare(ASKED, data(*H200, new))
    assert answer.candidates[0].software == "2026-01" and answer.candidates[0].tput_per_gpu < 300
    (newer,) = answer.newer_releases
    assert (newer.software, newer.instead_of, newer.points[0]["tput_per_gpu"]) == ("0.12.0", "2026-01", 900)


def test_the_frontier_shows_a_newer_release_apart_from_what_is_ranked(data):
    new = run("H200", 8, 3.9, 900, date="2026-05-01", engine_version="0.12.0")
    answer = frontiers(FrontierQuestion(model="llama-3-70b", precision="fp8", isl=1024, osl=1024), data(*H200, new))
    assert [(p.software, p.ranked) for p in answer.points] == [("2026-01", True)] * 3 + [("0.12.0", False)]


def test_sides_more_than_90_days_apart_are_said(data):
    late = [r | {"date": "2026-06-01"} for r in B200]
    answer = compare(ASKED, data(*H200, *late))
    assert (answer.days_apart, answer.stale) == (151, True)
    assert not compare(ASKED, data(*H200, *B200)).stale


def test_an_inconsistent_pair_has_no_winner(data):
    h100 = [r | {"accelerator": "H100", "total_tput_per_gpu_tok_s": 2 * r["total_tput_per_gpu_tok_s"]} for r in H200]
    answer = compare(ASKED, data(*H200, *h100))
    assert answer.winner is None and "H200 has at least the hardware of H100" in answer.withheld
    assert len(answer.candidates) == 2


def test_a_limit_that_nothing_meets_names_the_nearest(data):
    points = data(*H200, *B200)
    with pytest.raises(NoData, match=r"at most 0.5 s end to end; the nearest is B200 with vllm TP8, 1 s end to end"):
        compare(replace(ASKED, e2e_s=0.5), points)
    with pytest.raises(NoData, match=r"the nearest is B200 .*1 s end to end, ttft p50 0.1 s"):
        compare(replace(ASKED, ttft=("p50=10ms",)), points)
    with pytest.raises(NoData, match="reports every figure that you limit"):
        compare(replace(ASKED, ttft=("p99=1s",)), points)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"e2e_s": None}, "no latency limit is given"),
        ({"e2e_s": -1.0}, "must be above 0"),
        ({"ttft": ("p50=1s", "p50=2s")}, "limit the same figure"),
        ({"interactivity": 40.0, "slo": "interactivity=50"}, "limit the same figure"),
        ({"slo": "e2e_p99=4s"}, "a higher percentile is never lower"),
        ({"ttft": ("fast",)}, "is not an SLO"),
    ],
)
def test_limits_that_make_no_sense_are_one_sentence(changes, words, data):
    with pytest.raises(BadConfig, match=words):
        compare(replace(ASKED, **changes), data(*H200))


def test_emulated_points_take_part_only_where_they_are_named(data):
    emulated = [r | {"origin": "emulated", "accelerator": "MI355X"} for r in B200]
    points = data(*H200, *emulated)
    assert {c.accelerator for c in compare(ASKED, points).candidates} == {"H200"}
    named = compare(replace(ASKED, origins=("emulated",)), points)
    assert {(c.accelerator, c.origin) for c in named.candidates} == {("MI355X", "emulated")}


def test_the_command_shows_both_rankings_and_says_why_a_verdict_is_doubtful():
    what = ["compare", "--model", "deepseek-r1", "--precision", "fp8", "--workload", "chat", "--interactivity", "40"]
    shown = CliRunner().invoke(paretoken, what)
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.output.split())
    assert "Plain serving: one node, no speculative decoding. At least 40 tok/s/user" in text
    assert "Best known serving: also disaggregated, multi-node and speculative. At least 40 tok/s/user" in text
    answer = json.loads(CliRunner().invoke(paretoken, [*what, "--json"]).output)
    for bound in (answer, answer["best_known"]):
        assert all(c["interactivity_tok_s"] >= 40 - 1e-9 for c in bound["candidates"])
        assert all(c["recommended"]["interactivity_tok_s"] >= 40 - 1e-9 for c in bound["candidates"])
        doubt = f"No verdict, {bound['withheld']}" if bound["withheld"] else f"fragile: {bound['fragile']}"
        assert doubt[:20] in text or not (bound["withheld"] or bound["fragile"])
