"""Rows that are the same run, and which of them represents it."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.points.published import published_points
from paretoken.points.same_run import best_stated
from tests.support.points import prepared, row

TIMES = {"mean_ttft_s": 0.319844, "mean_tpot_s": 0.0110354}


def runs(*rows: dict) -> list[int]:
    return prepared(*rows)["run"].to_list()


def test_one_run_under_two_gpu_counts_has_one_number_and_the_smaller_count_represents_it():
    points = prepared(row(n_gpus=64, tp=64, **TIMES), row(n_gpus=8, tp=8, **TIMES))
    assert points["run"].n_unique() == 1
    assert best_stated(points)["n_gpus"].to_list() == [8]


def test_the_count_that_a_second_source_states_comes_before_the_smaller():
    carried = [row(n_gpus=4, source="a", **TIMES), row(n_gpus=8, source="a", **TIMES), row(source="b", **TIMES)]
    assert best_stated(prepared(*carried))["n_gpus"].to_list() == [8]


def test_measured_latency_comes_first_then_stated_throughput():
    bare = row(source="a", n_gpus=4, **TIMES)
    stated = row(source="b", total_tput_per_gpu_tok_s=100.0, **TIMES)
    measured = row(source="c", median_e2e_s=11.0, median_ttft_s=0.3, median_tpot_s=0.0109, **TIMES)
    assert best_stated(prepared(bare, stated, measured))["source"].to_list() == ["c"]
    assert best_stated(prepared(bare, stated))["source"].to_list() == ["b"]


def test_engine_date_and_the_name_of_the_statistic_do_not_part_a_run():
    carried = row(engine="trtllm", ttft_s=TIMES["mean_ttft_s"], tpot_s=TIMES["mean_tpot_s"], n_gpus=None)
    assert len(set(runs(row(engine="dynamo-trtllm", date="2026-01-02", **TIMES), carried))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"accelerator": "B200"},
        {"model": "gpt-oss-120b"},
        {"precision": "fp4"},
        {"isl": 8192},
        {"concurrency": 16.0},
        {"mean_ttft_s": 0.319845},
        {"mean_tpot_s": 0.0110355},
    ],
)
def test_whatever_else_differs_parts_a_run(change):
    assert len(set(runs(row(**TIMES), row(**TIMES | change)))) == 2


def test_without_ttft_a_row_is_a_run_of_its_own():
    median = row(median_tpot_s=0.0110354, total_tput_per_gpu_tok_s=100.0)
    assert len(set(runs(median, median | {"source_ref": "another"}))) == 2


def test_predictions_are_runs_of_their_own():
    assert len(set(runs(*(row(origin="predicted", n_gpus=n, **TIMES) for n in (4, 8))))) == 2


def test_numbers_agree_across_tables():
    assert runs(row(**TIMES))[0] == runs(row(concurrency=99.0, **TIMES), row(source="b", **TIMES))[1]


def test_runs_of_the_published_rows():
    """One carrier writes most of its runs twice, and carries those of another; no run stands under two counts."""
    points = published_points()
    shared = points.group_by("run").agg(
        rows=pl.len(),
        sources=pl.col("source").unique().sort().str.join("+"),
        counts=pl.col("n_gpus").drop_nulls().n_unique(),
        speculation=pl.col("speculative").drop_nulls().n_unique(),
    )
    shared = shared.filter(pl.col("rows") > 1)
    kinds = dict(shared.group_by("sources").len().sort("sources").iter_rows())
    assert kinds == {
        "aiconfigurator-silicon": 914,
        "aiconfigurator-silicon+inferencex-runs-dsr1": 262,
        "atom-nightly": 234,
    }
    assert shared["counts"].max() == 1
    assert shared["speculation"].max() == 1
    assert best_stated(points).height == points.height - (shared["rows"] - 1).sum() == 19_631


def test_the_best_stated_rows_do_not_depend_on_order():
    points = published_points()
    shuffled = points.sample(fraction=1.0, shuffle=True, seed=5)
    keys = ["run", "source", "source_ref", "date", "n_gpus"]
    kept = [best_stated(frame).select(keys).sort(keys) for frame in (points, shuffled)]
    assert kept[0].equals(kept[1])
