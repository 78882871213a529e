"""The verdict on a level by its SLOs: one for the table, the gate, the search, the quick answer and the report."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from scipy import stats

from paretoken.bench.gate import gate_failures
from paretoken.bench.plan import Closed
from paretoken.bench.quick_climb import verdict
from paretoken.bench.schedule import SearchSchedule
from paretoken.bench.stats.goodput import chance_of
from paretoken.bench.stats.level_in_full import level_in_full
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.quantiles import QUANTILES, needed
from paretoken.bench.stats.search import Search
from paretoken.bench.stats.warnings import LevelWarning
from paretoken.cli.measure.levels import show_levels
from paretoken.report.run.answer import headline
from paretoken.report.run.reading import read_run
from tests.support.runs import ladder
from tests.support.summaries import judged, not_steady, summary

BUFFERED = {"warnings": (LevelWarning("buffered", "in one piece"),)}
MET = judged(8, ("ttft_p95=2s", True, 0), tried=100)
MISSED = judged(8, ("ttft_p95=2s", False, 20), tried=100)
UNSURE = judged(8, ("ttft_p95=2s", True, 0), tried=40)
UNSURE_MISS = judged(8, ("ttft_p95=2s", False, 1), tried=8)
UNSEEN = judged(8, ("ttft_p95=2s", False, 100), tried=100, **BUFFERED)
ONE_MISSED = judged(8, ("ttft_p99=2s", True, 0), ("tpot_p50=50ms", False, 60), tried=100)
MISSED_UNSEEN = judged(8, ("ttft_p95=2s", False, 100), ("e2e_p50=5s", False, 90), tried=100, **BUFFERED)
FAILED = replace(MET, failed="20 % of requests failed")
EMPTY = judged(8, ("ttft_mean=2s", False, 0), tried=0)


@pytest.mark.parametrize(
    ("level", "by_slos", "gate", "climb"),
    [
        (MET, "met", "", "met"),
        (MISSED, "missed", "missed", "missed"),
        (UNSURE, "unsure", "can't be judged", "met"),
        (UNSURE_MISS, "unsure", "can't be judged", "unclear"),
        (UNSEEN, "unseen", "can't be judged", "unclear"),
        (ONE_MISSED, "missed", "missed", "missed"),
        (MISSED_UNSEEN, "missed", "missed", "missed"),
        (FAILED, "missed", "missed", "missed"),
        (EMPTY, "unsure", "can't be judged", "unclear"),
    ],
)
def test_every_judge_agrees(capsys, level, by_slos, gate, climb):
    assert level.verdict == by_slos
    (why,) = gate_failures([level], "the SLOs") or ("",)
    assert gate in why and bool(gate) == bool(why)
    assert verdict(level) == climb
    show_levels([SimpleNamespace(summary=s) for s in (summary(1, 50.0, failed="no"), level)])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("8 users  "))
    assert by_slos in row.split()


def test_a_level_without_slos_has_no_verdict():
    assert replace(MET, goodput=None).verdict is None


def test_a_miss_that_another_slo_cannot_hide_leaves_no_doubt_of_that_slo():
    assert ONE_MISSED.unsettled and not any("ttft_p99" in doubt for doubt in ONE_MISSED.doubts)
    assert any("ttft_p95" in doubt for doubt in UNSURE_MISS.doubts)


def test_the_level_in_full_is_one_that_meets_the_slos_for_certain():
    sure, unsure = judged(4, ("ttft_p95=2s", True, 0), tried=100), UNSURE
    full = level_in_full([sure, unsure])
    assert (full.place, full.why) == (0, "the highest load within the SLOs")
    assert "too few requests" in level_in_full([replace(sure, failed="no"), unsure]).why


def searched(level: LevelSummary) -> dict[str, object]:
    """The answer of a search whose lowest load is this level, and which missed."""
    setup = SimpleNamespace(config=SimpleNamespace(slo="ttft_p95=2s"), closed_load=Closed)
    schedule = SearchSchedule(setup, Search(low=8, high=8))
    while (load := schedule.next_load()) is not None:
        schedule.observe(load, SimpleNamespace(summary=level))
    return dict(schedule.answer())


def test_a_search_calls_too_many_what_is_missed_for_certain():
    assert (searched(MISSED)["unknown"], searched(MISSED)["fails_at"]) == (False, 8)
    assert (searched(MISSED_UNSEEN)["unknown"], searched(MISSED_UNSEEN)["fails_at"]) == (False, 8)
    for level in (UNSURE_MISS, UNSEEN):
        answer = searched(level)
        assert (answer["users"], answer["unknown"], answer["fails_at"]) == (None, True, None) and answer["doubts"]


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([MET], "Highest load measured within TTFT p95 ≤ 2 s: 8 users."),
        ([MISSED], "No measured level stays within TTFT p95 ≤ 2 s."),
        ([UNSEEN], "Unknown which load stays within TTFT p95 ≤ 2 s: 8 users: answers arrive in one piece."),
        ([UNSURE], "Unknown which load stays within TTFT p95 ≤ 2 s: 8 users: ttft_p95=2s can't be judged"),
        ([judged(4, ("ttft_p95=2s", True, 0), tried=100), UNSURE], "≤ 2 s: 4 users (8 users: ttft_p95=2s can't be"),
    ],
)
def test_the_report_says_what_is_known_of_the_slos(tmp_path, levels, words):
    run = read_run(ladder(tmp_path / "run", (1,)))
    kept = [replace(run.levels[0], summary=s) for s in levels]
    assert words in headline(replace(run, levels=tuple(kept), answer=None)).within


def test_the_report_of_a_search_that_could_not_judge_says_so(tmp_path):
    run = read_run(ladder(tmp_path / "run", (1,)))
    answer = {"kind": "slo", "users": None, "steps": 1, "slo": "ttft_p99=2s", "unknown": True, "doubts": ["hidden"]}
    assert headline(replace(run, answer=answer)).within == "Unknown which load stays within TTFT p99 ≤ 2 s: hidden."


@pytest.mark.parametrize("name", sorted(QUANTILES))
def test_a_settled_miss_is_wrong_in_less_than_one_case_of_twenty(name):
    """Of a level whose true share beyond the limit is just what the quantile allows."""
    q = QUANTILES[name]
    slo = f"ttft_{name}=1s"
    for n in range(1, needed(q), max(1, needed(q) // 60)):
        # All counts at which the chance changes, and some far beyond.
        counts = sorted({*range(min(n, 60) + 1), *range(0, n + 1, max(1, n // 8)), n})
        chances = [chance_of(beyond, n, 1 - q) for beyond in counts]
        assert chances == pytest.approx(list(stats.binom.sf([k - 1 for k in counts], n, 1 - q)), abs=1e-9)
        settled = next((k for k in range(1, n + 1) if not judged(1, (slo, False, k), tried=n).unsettled), None)
        assert settled is None or stats.binom.sf(settled - 1, n, 1 - q) < 0.05


def test_one_slow_request_of_seventeen_settles_no_p99():
    assert judged(1, ("ttft_p99=1s", False, 1), tried=17).verdict == "unsure"
    assert judged(1, ("ttft_p99=1s", False, 2), tried=17).verdict == "missed"


def test_a_trend_is_no_part_of_the_verdict_by_slos():
    drifting = judged(8, ("ttft_p95=2s", True, 0), tried=100, **not_steady("TPOT still rises", enough=True))
    assert drifting.verdict == "met" and verdict(drifting) == "unclear"
