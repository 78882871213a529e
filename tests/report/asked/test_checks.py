"""`check` for a reader: the verdict and the figures that the command line and the page of two runs have."""

from __future__ import annotations

import pytest

from paretoken.answers.check import CheckQuestion, check
from paretoken.history.judgement import conclusion
from paretoken.report.asked.checks import ONE_RUN
from paretoken.report.asked.views import view_of
from paretoken.report.run.change import change
from paretoken.report.run.reading import read_runs
from tests.support.runs import ladder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return ladder(folder / "before", (4, 8, 16)), ladder(folder / "after", (4, 8, 16), seed=1, slowness=1.5)


def viewed(runs, **options):
    question = CheckQuestion(baselines=(runs[0],), runs=(runs[1],), **options)
    answer = check(question)
    return answer, view_of("check", answer, question)


def test_a_regression_at_equal_latency(runs):
    answer, view = viewed(runs)
    assert answer.regressions
    assert view.lead == (f"{conclusion(len(answer.regressions), 3)}.", *answer.regressions)
    assert ONE_RUN in view.notes
    (table,) = view.to_json()["tables"]
    assert [row[2:4] for row in table["rows"]] == [(one.before, one.after) for one in answer.changes]
    assert [row[-1] for row in table["rows"]] == [one.verdict for one in answer.changes]


def test_equal_load_has_the_rows_of_the_page_of_two_runs(runs):
    answer, view = viewed(runs, at="load")
    (table,) = view.to_json()["tables"]
    side_by_side = change(*read_runs(list(runs)))
    assert [row[:4] for row in table["rows"]] == [(r.load, r.figure, r.a, r.b) for r in side_by_side.rows]
    assert view.lead[0] == f"{conclusion(len(answer.regressions), len(side_by_side.rows))}."
    assert any("worse" in row for row in table["rows"])


def test_a_check_of_single_levels_names_why_it_is_at_load(tmp_path):
    runs = ladder(tmp_path / "before", (8,)), ladder(tmp_path / "after", (8,), seed=1)
    _, view = viewed(runs)
    assert view.notes[0] == "Compared at equal load, since a run has a single level."
