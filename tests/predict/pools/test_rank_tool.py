"""tools/pools_rank.py on planted points: places, hits, bands too small to count."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

TOOLS = str(Path(__file__).parents[3] / "tools")


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, "path", [TOOLS, *sys.path])
    import pools_rank

    return pools_rank


def points(rows, band=0):
    """Rows of (configuration, measured, predicted) in one band of one group."""
    return pl.DataFrame(
        [
            {
                "model": "m",
                "precision": "fp8",
                "accelerator": "A",
                "isl": 1,
                "osl": 1,
                "band": band,
                "configuration": name,
                "tput_per_gpu": measured,
                "predicted": predicted,
            }
            for name, measured, predicted in rows
        ]
    )


def test_the_place_of_the_best_is_that_of_its_prediction(tool):
    (band,) = tool.ranked_bands(points([("a", 100.0, 1.0), ("b", 90.0, 2.0), ("c", 80.0, 3.0), ("d", 70.0, 4.0)]))
    assert (band.place, band.hit, band.best, band.predicted_best) == (4, False, "a", "d")
    assert band.regret == pytest.approx(0.3) and band.interactivity == 1
    (band,) = tool.ranked_bands(points([("a", 100.0, 3.0), ("b", 90.0, 2.0), ("c", 80.0, 5.0), ("d", 70.0, 4.0)]))
    assert (band.place, band.hit) == (3, True)


def test_configurations_as_good_as_the_best_count_as_the_best(tool):
    (band,) = tool.ranked_bands(points([("a", 100.0, 1.0), ("b", 98.0, 4.0), ("c", 80.0, 3.0), ("d", 70.0, 2.0)]))
    assert band.place == 1 and band.best == "a"


def test_a_configuration_counts_once_with_its_best_point(tool):
    rows = [("a", 100.0, 4.0), ("a", 50.0, 9.0), ("b", 90.0, 5.0), ("c", 80.0, 1.0), ("d", 70.0, 2.0)]
    (band,) = tool.ranked_bands(points(rows))
    assert (band.configurations, band.place) == (4, 2)


def test_bands_of_three_do_not_count(tool):
    assert list(tool.ranked_bands(points([("a", 3.0, 1.0), ("b", 2.0, 2.0), ("c", 1.0, 3.0)]))) == []


def test_the_shares_are_printed(tool, capsys):
    good = points([("a", 9.0, 9.0), ("b", 2.0, 2.0), ("c", 1.0, 3.0), ("d", 1.0, 1.0)])
    bad = points([("a", 9.0, 0.1), ("b", 2.0, 2.0), ("c", 1.0, 3.0), ("d", 1.0, 1.0)], band=3)
    tool.report(list(tool.ranked_bands(pl.concat([good, bad]))))
    out = capsys.readouterr().out
    assert "bands with a hit                     1 of    2 =  50%" in out
    assert "groups with a hit in every band      0 of    1 =   0%" in out
    tool.report([])
    assert "no group has enough" in capsys.readouterr().out


def test_predictions_made_elsewhere_are_taken(tool, capsys, tmp_path):
    shipped = tool.layouts(tool.published_points().with_row_index("row"), tool.load_catalog())
    held_out = shipped.select("row", total_tput_per_gpu_tok_s="tput_per_gpu")
    held_out.write_parquet(tmp_path / "held_out.parquet")
    tool.main(["--predicted", str(tmp_path / "held_out.parquet")])
    out = capsys.readouterr().out
    hits = next(line for line in out.splitlines() if line.startswith("bands with a hit"))
    assert "= 100%" in hits, "what was measured ranks itself"
