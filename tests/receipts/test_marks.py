"""Marks of verified points: carried by the very figures, and by nothing else."""

from __future__ import annotations

import json

import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.points.files import write_points
from paretoken.points.load import import_files
from paretoken.points.receipt_marks import marks_folder
from tests.support.sealed_runs import change_latency, without_receipts


@pytest.fixture
def marked(call, run, monkeypatch, tmp_path):
    """A verified and marked run; its receipt's hash."""
    monkeypatch.setenv("PARETOKEN_DATA", str(tmp_path / "data"))
    code, out, _ = call(f"verify {run} --mark --json")
    document = json.loads(out)[0]
    assert code == 0 and document["points_marked"] == 3
    return document["hashes"]["receipt"]


def points_of(place) -> pl.DataFrame:
    return import_files([place], catalog=load_catalog())[0]


def test_points_of_a_marked_run_carry_its_receipt(marked, run):
    assert points_of(run)["receipt"].to_list() == [marked] * 3


def test_a_mark_is_private(marked):
    assert marks_folder().stat().st_mode & 0o077 == 0
    assert [p.stem for p in marks_folder().iterdir()] == [marked]


def test_no_run_is_marked_unasked_or_unverified(call, run, monkeypatch, tmp_path):
    monkeypatch.setenv("PARETOKEN_DATA", str(tmp_path / "data"))
    assert call(f"verify {run}")[0] == 0 and points_of(run)["receipt"].null_count() == 3
    without_receipts(run)
    code, _, err = call(f"verify {run} --mark")
    assert code == 0 and "only verified runs are marked" in err and points_of(run)["receipt"].null_count() == 3


def test_the_mark_follows_the_figures_into_another_file(marked, run, call, tmp_path):
    assert call(f"import {run} --ep 1 --out points.parquet")[0] == 0
    assert points_of(tmp_path / "points.parquet")["receipt"].to_list() == [marked] * 3
    _, out, _ = call(
        "frontier --points points.parquet --no-published --model llama-3-70b --isl 1k --osl 1k --speculative any --json"
    )
    assert {point["receipt"] for point in json.loads(out)} == {marked}


@pytest.mark.parametrize(
    ("column", "value"),
    [("mean_ttft_s", 0.01), ("n_gpus", 16), ("accelerator", "MI300X"), ("origin", "emulated"), ("precision", "bf16")],
)
def test_a_changed_figure_or_label_loses_the_mark(marked, run, tmp_path, column, value):
    points = pl.read_parquet(run / "points.parquet")
    write_points(points.with_columns(pl.lit(value).alias(column).cast(points[column].dtype)), tmp_path / "x.parquet")
    assert points_of(tmp_path / "x.parquet")["receipt"].null_count() == 3


def test_a_file_cannot_claim_a_receipt(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PARETOKEN_DATA", str(tmp_path / "data"))
    points = pl.read_parquet(run / "points.parquet").with_columns(receipt=pl.lit("a" * 64))
    write_points(points, tmp_path / "x.parquet")
    assert points_of(tmp_path / "x.parquet")["receipt"].null_count() == 3


def test_files_without_the_column_are_read(marked, run, tmp_path):
    points = pl.read_parquet(run / "points.parquet").drop("receipt")
    write_points(points, tmp_path / "old.parquet")
    assert points_of(tmp_path / "old.parquet")["receipt"].to_list() == [marked] * 3


def test_a_run_changed_after_its_mark_is_marked_no_more_where_its_points_changed(marked, run, call):
    change_latency(run)
    assert call(f"verify {run} --mark")[0] == 1
    # The table is as it was verified: its figures are still those that were recomputed.
    assert points_of(run)["receipt"].to_list() == [marked] * 3


def test_a_damaged_mark_marks_nothing(marked, run):
    (marks_folder() / f"{marked}.json").write_text("{}")
    assert points_of(run)["receipt"].null_count() == 3
