"""`check` and `bench --compare` as commands: their tables, one level a side, and what they leave for CI."""

from __future__ import annotations

import csv
from xml.etree import ElementTree as Xml

import orjson
import pytest

from paretoken.history.at_load import BrokenLevel, RunComparison
from tests.support.runs import ladder, slower


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One level a side: two equal runs, and one whose answers take half as long again."""
    folder = tmp_path_factory.mktemp("runs")
    a, b = (ladder(folder / f"run{seed}", (8,), seed=seed) for seed in (0, 1))
    return a, b, slower(folder / "slow", (8,))


def test_one_level_a_side_is_compared_at_equal_load(runs, call):
    code, out, err = call(f"check {runs[1]} --baseline {runs[0]}")
    assert code == 0, err
    assert "note: compared at equal load, since a run has a single level" in err
    assert "0 of 9 comparisons regressed" in out and out.count("no difference") == 9
    code, _, err = call(f"check {runs[1]} --baseline {runs[0]} --at latency")
    assert code == 2 and "--at load" in err


def test_a_comparison_shows_both_values_the_change_its_interval_and_a_verdict(runs, call):
    code, out, _ = call(f"bench --compare {runs[0]} {runs[2]}")
    assert code == 0
    assert f"A, baseline: {runs[0]}" in out and f"B, new: {runs[2]}" in out
    (row,) = (line for line in out.splitlines() if line.startswith("median TPOT, ms"))
    code, text, _ = call(f"bench --compare {runs[0]} {runs[2]} --json")
    (tpot,) = (d for d in orjson.loads(text)["differences"] if d["figure"] == "median TPOT")
    assert (tpot["unit"], tpot["verdict"]) == ("s", "worse")
    for cell in (
        f"{tpot['a'] * 1e3:.4g}",
        f"{tpot['b'] * 1e3:.4g}",
        f"{tpot['change']:+.1%}",
        f"{tpot['low']:+.1%} to {tpot['high']:+.1%}",
        "worse",
    ):
        assert cell in row
    assert "REGRESSION: median TPOT at 8 users: " in out


def test_the_table_fits_80_columns_without_what_may_be_left_out(runs, call):
    _, out, _ = call(f"bench --compare {runs[0]} {runs[2]}")
    lines = out[out.index("metric") : out.index("Each interval")].splitlines()
    detectable = lines[0].index("detectable")
    assert max(len(line[:detectable].rstrip()) for line in lines) <= 80 and "verdict" in lines[0]


def test_junit_is_written_whatever_the_outcome(runs, call, tmp_path):
    assert call(f"check {runs[1]} --baseline {runs[0]} --junit good.xml")[0] == 0
    code, _, _ = call(f"check {runs[2]} --baseline {runs[0]} --junit bad.xml")
    assert code == 1
    good, bad = (Xml.parse(tmp_path / f"{name}.xml").getroot() for name in ("good", "bad"))
    assert good.get("tests") == bad.get("tests") == "9" and good.get("failures") == "0"
    failed = {case.get("name") for case in bad.iter("testcase") if case.find("failure") is not None}
    assert int(bad.get("failures")) == len(failed) and {"median TPOT", "output throughput"} <= failed
    code, _, err = call(f"check {runs[1]} --baseline {runs[0]} --junit no/such/folder.xml")
    assert code == 2 and "no/such/folder.xml cannot be written" in err


def test_github_is_annotated_in_its_own_jobs_or_on_request(runs, call, monkeypatch):
    line = f"check {runs[2]} --baseline {runs[0]}"
    assert "::error" not in call(line)[2]
    assert "\n::error title=Regression%3A " in call(f"{line} --annotations github")[2]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    _, out, err = call(line)
    assert "\n::error title=Regression%3A " in err and "::error" not in out
    assert "::error" not in call(f"{line} --annotations none")[2]
    _, out, err = call(f"{line} --json")
    assert orjson.loads(out)["differences"] and "::error title=" in err


def test_gitlab_gets_its_report_empty_where_nothing_regressed(runs, call, tmp_path):
    report = tmp_path / "gl-code-quality-report.json"
    assert call(f"check {runs[1]} --baseline {runs[0]} --annotations gitlab")[0] == 0
    assert orjson.loads(report.read_bytes()) == []
    assert call(f"check {runs[2]} --baseline {runs[0]} --annotations gitlab")[0] == 1
    issues = orjson.loads(report.read_bytes())
    assert issues and {i["location"]["path"] for i in issues} == {"slow"}


@pytest.fixture(scope="module")
def ladders(tmp_path_factory):
    """Two ladders that share a latency."""
    folder = tmp_path_factory.mktemp("ladders")
    return ladder(folder / "a", (4, 8, 12)), ladder(folder / "b", (4, 8, 12), seed=1)


def test_csv_has_the_change_and_each_end_of_its_interval_as_a_number(runs, ladders, call):
    for (a, b), at in ((ladders, "latency"), ((runs[0], runs[2]), "load")):
        code, out, err = call(f"check {b} --baseline {a} --at {at} --format csv")
        assert code in (0, 1) and "'" not in out, err
        rows = list(csv.DictReader(out.splitlines()))
        low, high = (next(head for head in rows[0] if head.endswith(f"interval {end} %")) for end in ("low", "high"))
        assert rows and all(float(r[low]) <= float(r["change %"]) <= float(r[high]) for r in rows)
        assert all(float(row["A"]) >= 0 for row in rows)


def test_a_regression_is_shown_once(runs, call, monkeypatch):
    monkeypatch.setattr(RunComparison, "broken", property(lambda _: (BrokenLevel("8 users", "level", "B failed"),)))
    code, out, _ = call(f"check {runs[1]} --baseline {runs[0]}")
    assert code == 1 and out.count("B failed") == 1 and "1 of 10 comparisons regressed" in out
