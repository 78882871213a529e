"""What the reports show of the ecosystem: coverage, verdicts, and throughput that does not count."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import date

import pytest

import paretoken
from paretoken.accuracy.gate_file import Gate, write_gate
from paretoken.accuracy.verdicts import FAIL, PASS, TierVerdict
from paretoken.answers.ecosystem import OverviewQuestion, overview
from paretoken.answers.seam import to_json
from paretoken.answers.study.config import Study
from paretoken.answers.study.run import run_study
from paretoken.errors import NoData
from paretoken.parity.history import shipped_history
from paretoken.report.coverage import LEFT, count_ticks, coverage_chart, reasons
from paretoken.report.html import render
from paretoken.report.run.about import facts
from paretoken.report.run.answer import headline
from paretoken.report.run.page import render_runs
from paretoken.report.run.reading import read_run
from paretoken.report.run.share import share
from paretoken.report.run.warnings import warnings_of
from tests.support.pages import watched
from tests.support.runs import ladder

NASTY = "<img src=x onerror=alert(1)>"
TODAY = date(2026, 11, 24)


def gate(verdict: str, why: str = "KL is 0.01, above the limit") -> Gate:
    return Gate(
        model="llama",
        engine="vllm",
        endpoint="http://127.0.0.1:8000",
        made="2026-11-24",
        tiers=(TierVerdict("T3", verdict, why),),
    )


@pytest.fixture
def run(tmp_path):
    ladder(tmp_path / "run")
    return tmp_path / "run"


def test_throughput_that_failed_its_gate_is_shown_as_failed(run):
    write_gate(gate(FAIL), run / "gate.json")
    measured = read_run(run)
    short = headline(measured)
    assert short.sentences[0].startswith("Failed: the server returned wrong tokens (T3 pair: KL is 0.01")
    assert short.best == "failed its accuracy gate"
    assert warnings_of([measured])[0].title == "Failed its accuracy gate"
    page = render_runs([measured])
    assert page.index("Failed: the server returned wrong tokens") < page.index("Best throughput")
    assert "Failed its accuracy gate" in share(measured)


def test_a_passed_gate_is_told_and_changes_nothing_else(run):
    without = headline(read_run(run))
    write_gate(gate(PASS, "fine"), run / "gate.json")
    measured = read_run(run)
    assert headline(measured) == without
    assert ("Accuracy gate", "pass on 2026-11-24 (T3 pair pass)") in facts(measured)
    assert "accuracy" not in {w.code for w in warnings_of([measured])}


def study(run, **more) -> Study:
    return Study(
        name="own",
        models=["llama-3-70b"],
        precisions=["fp8"],
        workloads=["chat"],
        published=False,
        points=[run / "points.parquet"],
        **more,
    )


def test_points_of_a_failed_run_are_flagged_and_in_no_frontier(run):
    sound = run_study(study(run), today=TODAY)
    assert all(p.points.height for p in sound.panels)
    write_gate(gate(FAIL), run / "gate.json")
    published = study(run).model_copy(update={"published": True})
    wrong = run_study(published, today=TODAY)
    assert wrong.n_flagged["accuracy"] == sound.n_points
    assert not any("measured" in set(p.points["origin"]) for p in wrong.panels)
    page = render(wrong)
    assert "failed its accuracy gate" in page
    assert "KL is 0.01, above the limit" in page


def test_the_verbs_leave_them_out_too(run):
    own = (run / "points.parquet",)
    question = paretoken.FrontierQuestion(
        model="llama-3-70b",
        precision="fp8",
        isl=1024,
        osl=1024,
        points=own,
        published=False,
        speculative="any",
    )
    assert paretoken.frontiers(question).points
    write_gate(gate(FAIL), run / "gate.json")
    with pytest.raises(NoData):
        paretoken.frontiers(question)


def test_gates_of_a_study_are_shown_and_escaped(run, tmp_path):
    write_gate(gate(PASS, NASTY), tmp_path / "other.json")
    page = render(run_study(study(run, gates=[tmp_path / "other.json"]), today=TODAY))
    assert NASTY not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_section_shows_both_vendors_and_both_engines_over_time(run):
    page = render(run_study(study(run), today=TODAY))
    newest = {e.engine: e for e in shipped_history().entries}
    assert set(newest) == {"sglang", "vllm"}
    assert 'id="ecosystem"' in page
    for e in newest.values():
        assert f"{e.engine} {e.name}, {e.date}" in page
        assert html.escape(reasons(e)[0][0], quote=False) in page
    for s in shipped_history().sources:
        assert f"{s.engine}: computed {s.made} from {s.source} ({s.licence})" in page
    assert "two layouts: 23 NVIDIA and 1 AMD steps in registrations" in page
    assert "No point of this study carries a verdict" in page


def test_the_chart_has_a_point_for_each_tree_of_each_engine():
    entries = shipped_history().entries
    chart = coverage_chart(entries)
    assert chart.engines == ("sglang", "vllm")
    for panel in chart.panels:
        assert [(line.engine, line.dashed) for line in panel.lines] == [
            ("sglang", False),
            ("sglang", True),
            ("vllm", False),
            ("vllm", True),
        ]
        top, bottom = panel.ticks[-1][0], panel.ticks[0][0]
        for line in panel.lines:
            assert len(line.dots) == sum(e.engine == line.engine for e in entries)
            assert all(LEFT <= x <= chart.width and top <= y <= bottom for x, y, _ in line.dots)
            assert [x for x, _, _ in line.dots] == sorted(x for x, _, _ in line.dots)


@pytest.mark.browser
def test_the_chart_in_a_browser(browser, run, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(run_study(study(run), today=TODAY)), encoding="utf-8")
    with watched(browser, path) as opened:
        page = opened("#ecosystem")
        chart = page.locator("figure.coverage")
        assert chart.locator("polyline").count() == 8
        assert chart.locator("figcaption span").all_inner_texts() == ["sglang", "vllm"]
        colours = chart.locator("polyline").evaluate_all("lines => lines.map(l => getComputedStyle(l).stroke)")
        assert len(set(colours)) == 2
        dashes = chart.locator("polyline").evaluate_all("lines => lines.map(l => getComputedStyle(l).strokeDasharray)")
        assert [d != "none" for d in dashes] == [False, True] * 4
        narrow = opened("#ecosystem", width=390)
        assert narrow.evaluate("document.documentElement.scrollWidth") == 390
        scrolled = narrow.locator("figure.coverage .scroll").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert scrolled[0] > scrolled[1]


def test_the_chart_puts_shares_over_their_counts():
    shares, counts = coverage_chart(shipped_history().entries).panels
    newest = [e for e in shipped_history().entries if e.engine == "sglang"][-1]
    solid, dashed = counts.lines[:2]
    height = counts.ticks[0][0] - counts.ticks[-1][0]
    drawn = [(counts.ticks[0][0] - line.dots[-1][1]) / height for line in (solid, dashed)]
    assert drawn[1] / drawn[0] == pytest.approx(newest.total.gating_parity, abs=0.005)
    assert (shares.lines[0].newest, solid.newest) == (f"{newest.total.gating_parity:.0%}", "549")
    assert "176 of 549 merge-blocking steps, 32.1%" in shares.lines[0].dots[-1][2]
    assert counts.title_y > shares.ticks[0][0]


def test_steps_that_may_block_are_named_beside_a_share():
    vllm = coverage_chart(shipped_history().entries).panels[0].lines[2]
    assert vllm.dots[1][2].endswith("0 of 44 merge-blocking steps, 0.0%; 20 AMD steps may block")


@pytest.mark.parametrize(("most", "ticks"), [(0, [0, 1]), (7, [0, 5, 10]), (549, list(range(0, 601, 100)))])
def test_ticks_of_counts_are_round_and_reach_the_highest(most, ticks):
    assert count_ticks(most) == ticks


def test_one_tree_or_none_draws_no_chart():
    entries = shipped_history().entries
    assert coverage_chart(entries[:1]) is None
    assert coverage_chart([]) is None


def test_an_engine_with_one_tree_is_left_out():
    series = shipped_history()
    assert coverage_chart([series.of("sglang").entries[0], *series.of("vllm").entries]).engines == ("vllm",)


def test_reasons_are_counted_by_vendor():
    entry = replace(
        shipped_history().entries[0],
        disabled=(
            ("nvidia", "a", "why"),
            ("amd", "a", "why"),
            ("amd", "b", "why"),
            ("amd", "c", "other"),
        ),
    )
    assert reasons(entry) == [("why", 1, 2), ("other", 0, 1)]


def test_overview_names_the_newest_of_each_engine():
    answer = overview(OverviewQuestion())
    assert [(e.engine, e.date) for e in answer.newest()] == [("sglang", "2026-08-18"), ("vllm", "2026-11-02")]
    assert to_json(answer)["coverage"]["entries"][0]["total"]["files_nvidia"] > 0
