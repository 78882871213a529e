"""What the reports show of the ecosystem: coverage, verdicts, and throughput that does not count."""

from __future__ import annotations

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
from paretoken.report import render
from paretoken.report.coverage import SERIES, coverage_chart, reasons
from paretoken.report.run.about import facts
from paretoken.report.run.answer import headline
from paretoken.report.run.page import render_runs
from paretoken.report.run.reading import read_run
from paretoken.report.run.share import share
from paretoken.report.run.warnings import warnings_of
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
    asked = study(run).model_copy(update={"published": True})
    wrong = run_study(asked, today=TODAY)
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


def test_the_section_shows_both_vendors_over_time(run):
    page = render(run_study(study(run), today=TODAY))
    newest = shipped_history().entries[-1]
    assert 'id="ecosystem"' in page
    assert f"{newest.engine} {newest.version}, {newest.date}" in page
    assert reasons(newest)[0][0] in page
    assert "No point of this study carries a verdict" in page


def test_the_chart_has_a_point_for_each_release():
    entries = shipped_history().entries
    chart = coverage_chart(entries)
    assert [line.name for line in chart.lines] == [name for name, _ in SERIES]
    for line in chart.lines:
        assert len(line.dots) == len(entries)
        assert all(0 <= x <= chart.width and 0 <= y <= chart.height for x, y, _ in line.dots)
        assert [x for x, _, _ in line.dots] == sorted(x for x, _, _ in line.dots)
    whole = next(line for line in chart.lines if line.name == "files in any trigger")
    highest = max(entries, key=lambda e: e.total.any)
    assert min(whole.dots, key=lambda d: d[1])[2].startswith(f"vllm {highest.version},")


def test_one_release_or_none_draws_no_chart():
    entries = shipped_history().entries
    assert coverage_chart(entries[:1]) is None
    assert coverage_chart([]) is None


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
    found = overview(OverviewQuestion())
    assert [e.version for e in found.newest()] == [shipped_history().entries[-1].version]
    assert to_json(found)["coverage"]["entries"][0]["total"]["files_nvidia"] > 0
