"""`paretoken validate`: intervals by group, the calibration plot, the worst cells with their reason."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from paretoken.cli.predict.validate import _missed
from paretoken.cli.predict.validate_plot import figure, lines, picture, write_plot
from paretoken.errors import CannotWrite
from paretoken.points.files import write_points
from paretoken.points.published import published_points
from paretoken.predict.calibration.coverage import NominalCoverage
from paretoken.predict.calibration.scoreboard import score_of
from tests.support.html_pages import data_of

COVERAGES = [
    NominalCoverage(split=split, outcome=outcome, nominal=nominal, observed=nominal - 0.02)
    for split in ("cell", "<model>")
    for outcome in ("tpot", "throughput")
    for nominal in (0.5, 0.9)
]


def test_a_line_for_each_split_in_each_outcome():
    assert lines(COVERAGES, "tpot") == {"cell": [(0.5, 0.48), (0.9, 0.88)], "<model>": [(0.5, 0.48), (0.9, 0.88)]}
    for outcome, title in (("tpot", "TPOT"), ("throughput", "Throughput")):
        plot = figure(COVERAGES, outcome)
        assert (plot["title"], [line["name"] for line in plot["lines"][1:]]) == (title, ["cell", "<model>"])
        assert plot["table"]["rows"][0] == ["cell", 50, 48]
    svg = picture(COVERAGES)
    assert svg.startswith("<svg") and "&lt;model&gt;" in svg and svg.count('stroke-width="2"/>') == 6


def test_the_suffix_decides_the_format(tmp_path):
    write_plot(COVERAGES, tmp_path / "c.svg")
    write_plot(COVERAGES, tmp_path / "c.html")
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    html = (tmp_path / "c.html").read_text()
    assert html.startswith("<!doctype html>") and len(data_of(html)["plots"]) == 2
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_plot(COVERAGES, tmp_path / "none" / "c.svg")


def test_rows_above_their_target_are_marked():
    def score(mape, target):
        left = np.full(5, -np.log1p(mape))
        return score_of("cell", "tpot", left, np.ones(5, dtype=bool), np.full(5, 2.0), target)

    assert [_missed(score(*s)) for s in ((0.2, 0.15), (0.1, 0.15), (0.2, None))] == ["missed", "", ""]


@pytest.mark.slow
def test_validate_prints_intervals_by_group_and_draws_the_plot(call, tmp_path):
    rows = published_points().filter(
        pl.col("source") == "inferencex-2026-07",
        pl.col("model") == "llama-3-70b",
        pl.col("precision") == "fp8",
        pl.col("accelerator").is_in(["H200", "MI300X"]),
    )
    write_points(rows, tmp_path / "few.parquet")
    code, out, err = call("validate few.parquet --split tp --workers 1 --by engine --by model --plot coverage.svg")
    assert code == 0, err
    assert "hi/lo" in out and "90 % intervals by engine" in out and "90 % intervals by model" in out
    assert "new tp" in out
    assert (tmp_path / "coverage.svg").read_text().startswith("<svg")
    code, out, _ = call("validate few.parquet --split tp --workers 1 --json")
    answer = json.loads(out)
    assert {g["by"] for g in answer["groups"]} == {"accelerator", "engine", "model", "source"}
    assert {c["nominal"] for c in answer["intervals"]} == {0.5, 0.8, 0.9, 0.95, 0.99}
    assert call("validate few.parquet --by phase")[0] == 2
