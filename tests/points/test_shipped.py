"""What must hold of every shipped row: one denominator, whole layouts, counts that agree with throughput."""

from __future__ import annotations

import polars as pl
import pytest

from paretoken.points.published import published_points

TOTAL, INPUT, OUTPUT = (pl.col(f"{side}_tput_per_gpu_tok_s") for side in ("total", "input", "output"))


@pytest.fixture(scope="module")
def points() -> pl.DataFrame:
    return published_points()


def test_sources_and_licences(points):
    assert dict(points.group_by("source").len().iter_rows()) == {
        "inferencex-2026-07": 8031,
        "inferencex-runs-dsr1": 1856,
        "aiconfigurator-silicon": 5221,
        "trtllm-perf-overview": 293,
        "atom-nightly": 6118,
    }
    licences = points.group_by("source").agg(pl.col("licence").unique())
    assert licences["licence"].list.len().max() == 1
    by_source = dict(points.select("source", "licence").unique().iter_rows())
    assert by_source["atom-nightly"] == "MIT"
    assert "GPL-3.0" in by_source["inferencex-runs-dsr1"]


def test_input_and_output_add_up_to_the_total_on_one_denominator(points):
    """So that, at any price, the cost of all tokens is the input's share plus the output's."""
    rows = points.filter(TOTAL.is_not_null(), INPUT.is_not_null(), OUTPUT.is_not_null())
    assert rows.filter("disaggregated").height == 552
    off = rows.select(((INPUT + OUTPUT) / TOTAL - 1).abs().alias("off"))["off"]
    assert off.max() < 0.02
    derived = points.filter(pl.col("input_tput_per_gpu").is_not_null(), pl.col("output_tput_per_gpu").is_not_null())
    sides = pl.col("input_tput_per_gpu") + pl.col("output_tput_per_gpu")
    assert derived.select((sides / pl.col("tput_per_gpu") - 1).abs().max()).item() < 0.02


def test_role_figures_are_those_of_all_gpus_by_their_pools(points):
    rows = points.filter(pl.col("input_tput_per_prefill_gpu_tok_s").is_not_null())
    assert rows.height == 552
    into = pl.col("input_tput_per_prefill_gpu_tok_s") * pl.col("prefill_gpus") / pl.col("n_gpus")
    out = pl.col("output_tput_per_decode_gpu_tok_s") * pl.col("decode_gpus") / pl.col("n_gpus")
    assert rows.select((into / INPUT - 1).abs().max()).item() < 1e-9
    assert rows.select((out / OUTPUT - 1).abs().max()).item() < 1e-9
    assert rows.filter((pl.col("input_tput_per_prefill_gpu_tok_s") / INPUT - 1).abs() < 1e-6).is_empty()


def test_the_ratio_of_input_to_output_is_that_of_the_lengths(points):
    """An independent check of the layouts that were told from throughput."""
    rows = points.filter("disaggregated", INPUT.is_not_null())
    ratio = (INPUT / OUTPUT) / (pl.col("mean_isl") / pl.col("mean_osl"))
    told = rows.filter(pl.col("prefill_workers").is_null())
    assert told.height == 7
    assert told.select((ratio - 1).abs().max()).item() < 0.03
    assert rows.select((ratio - 1).abs().quantile(0.99)).item() < 0.04


def test_layouts_add_up(points):
    laid = points.filter(pl.col("prefill_gpus").is_not_null(), pl.col("decode_gpus").is_not_null())
    assert laid.filter(pl.col("prefill_gpus") + pl.col("decode_gpus") != pl.col("n_gpus")).is_empty()
    assert laid.height == 4377
    assert points.filter(pl.col("prefill_gpus").is_not_null(), ~pl.col("disaggregated").fill_null(False)).is_empty()


def test_carried_rows_have_the_layout_of_a_run_or_none(points):
    rows = points.filter(pl.col("source") == "aiconfigurator-silicon", "disaggregated")
    of_run, of_configuration = (
        rows.filter(pl.col("notes").str.contains(f"layout of the {whose}"))
        for whose in ("same run in InferenceX", "one configuration of InferenceX")
    )
    assert (of_run.height, of_configuration.height) == (295, 847)
    assert rows["prefill_workers"].null_count() == 251
    runs = points.filter(pl.col("source") == "inferencex-runs-dsr1", pl.col("prefill_workers").is_not_null())
    pools = ("prefill_workers", "decode_workers", "prefill_gpus", "decode_gpus", "speculative")
    same = of_run.join(runs.select("run", *pools), on=["run", *pools])
    assert same["run"].n_unique() == of_run["run"].n_unique()


def test_no_worker_spans_fewer_gpus_than_its_experts(points):
    workers = points.filter(pl.col("decode_workers").is_not_null(), pl.col("decode_gpus").is_not_null())
    assert workers.filter(pl.col("decode_gpus") / pl.col("decode_workers") < pl.col("ep")).is_empty()


def test_measured_latency_agrees_with_throughput_and_gpus(points):
    """By Little's law GPUs counted twice would make the latency half of the measured one. Some runs had long tails."""
    rows = points.filter(pl.col("e2e_basis") == "measured", pl.col("suspicious").is_null(), TOTAL.is_not_null())
    little = pl.col("concurrency") * (pl.col("mean_isl") + pl.col("mean_osl")) / (TOTAL * pl.col("n_gpus"))
    ratio = rows.select(r=little / pl.col("median_e2e_s"))["r"]
    assert ratio.min() > 0.95
    assert (ratio > 1.5).mean() < 0.02


def test_throughput_of_two_pools_is_per_gpu_of_both(points):
    """By Little's law a throughput per decode GPU alone would make the latency of most layouts half of the measured."""
    rows = points.filter("disaggregated", TOTAL.is_not_null(), pl.col("e2e_basis").is_in(["measured", "ttft+tpot"]))
    assert rows.height == 553
    little = pl.col("concurrency") * (pl.col("mean_isl") + pl.col("mean_osl")) / (TOTAL * pl.col("n_gpus"))
    off = rows.filter(~(little / pl.col("e2e_s")).is_between(0.8, 2.0))
    assert off["suspicious"].to_list() == ["stalled"] * 2
    assert set(off["accelerator"]) == {"MI355X"}


def test_a_single_pool_has_the_gpus_of_one_node(points):
    single = points.filter(~pl.col("disaggregated").fill_null(False), ~pl.col("multinode").fill_null(False))
    assert single["n_gpus"].max() == 8


def test_numbered_rows_state_speculation(points):
    numbered = points.filter(pl.col("source_ref").str.contains(r"_cfg\d+$"))
    assert numbered.height == 882
    assert numbered["speculative"].null_count() == 0


def test_dates_of_the_medians(points):
    medians = points.filter(pl.col("source") == "inferencex-2026-07")
    periods = dict(medians.group_by("date").agg(pl.col("model").unique().sort().str.join(",")).iter_rows())
    assert periods["2025-09-29..2025-10-30"] == "llama-3-70b"
    assert set(periods) == {"2025-09-29..2025-10-30", "2025-09-29..2026-07-19"}


def test_nightly_rows(points):
    nightly = points.filter(pl.col("source") == "atom-nightly")
    assert set(nightly["engine"]) == {"atom", "atom-vllm", "atom-sglang"}
    assert nightly.filter(pl.col("engine_version").str.contains("plugin|^$")).is_empty()
    assert nightly.filter(~pl.col("notes").str.contains(r"^named .+; commit \w+")).is_empty()
    assert set(nightly.filter(pl.col("notes").str.contains("MTP3"))["speculative_tokens"]) == {3}
    assert nightly.filter(pl.col("speculative") == "none", pl.col("speculative_tokens").is_not_null()).is_empty()
    nominal = nightly.filter(pl.col("mean_isl") == pl.col("isl"))
    assert set(nominal.select("isl", "osl").unique().iter_rows()) == {(1000, 100), (5000, 500), (10000, 1000)}
    others = nightly.filter(pl.col("mean_isl") != pl.col("isl"))
    assert others.select((pl.col("mean_isl") / pl.col("isl") - 0.9).abs().max()).item() < 1e-9
