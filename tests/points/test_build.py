"""Planted rows through each step of the build of the shipped table."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from tests.support.points import row, table

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def steps():
    """The modules of the build, from `tools/`."""
    sys.path.insert(0, str(TOOLS))
    try:
        import build_published
        import carried
        import carried_pools
        import layouts
    finally:
        sys.path.remove(str(TOOLS))
    return {"build": build_published, "carried": carried, "pools": carried_pools, "layouts": layouts}


POOLED = {"disaggregated": True, "multinode": True, "speculative": "none", "engine": "dynamo-sglang"}
MEDIAN = {"source": "inferencex-2026-07", "source_ref": "config 9", **POOLED}


def test_files_are_merged_and_equal_rows_kept_once(steps, tmp_path):
    for name, lines in {"a": ["1,x", "1,x", "2,nan"], "b": ["1,x", "3,"]}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["load,notes", *lines]) + "\n")
    merged = steps["build"].collected([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert merged.rows() == [("1", "x"), ("2", None), ("3", None)]


def test_layouts_are_joined_by_configuration_and_by_run(steps, tmp_path):
    keys = ["source", "origin", "date", "accelerator", "engine", "precision", "speculative", "isl", "osl", "load"]
    run = ["inferencex-runs-dsr1", "app", "2026-01-02", "gb200", "dynamo-trtllm", "fp4", "none", "1024", "1024", "24"]
    median = ["inferencex-2026-07", "config 9", "", "gb200", "dynamo-trtllm", "fp4", "none", "", "", ""]
    header = ",".join([*keys, "median_tpot_ms", *steps["layouts"].LAYOUT])
    lines = [",".join([*run, "7.5", "1", "4", "4", "32"]), ",".join([*median, "", "0", "0", "24", "24"])]
    (tmp_path / "pools.csv").write_text("\n".join([header, *lines]) + "\n")
    raw = pl.DataFrame(
        [[*run, "7.5"], [*run, "7.6"], [*median[:2], "2025..2026", *median[3:7], "1024", "1024", "8", "9.0"]],
        schema=[*keys, "median_tpot_ms"],
        orient="row",
    )
    laid = steps["layouts"].with_layouts(raw, tmp_path / "pools.csv")
    assert laid.select(steps["layouts"].LAYOUT).rows() == [(1, 4, 4, 32), (None,) * 4, (None,) * 4]


def test_throughput_comes_to_one_denominator(steps):
    figures = {
        "total_tput_per_gpu_tok_s": 3000.0,
        "input_tput_per_gpu_tok_s": 8000.0,
        "output_tput_per_gpu_tok_s": 500.0,
    }
    stated = row(**POOLED, n_gpus=24, prefill_gpus=8, decode_gpus=16, **figures)
    told = row(**POOLED, n_gpus=24, **figures)
    unclear = row(**POOLED, n_gpus=24, **figures | {"input_tput_per_gpu_tok_s": 7000.0})
    single = row(n_gpus=8, **figures | {"input_tput_per_gpu_tok_s": 2500.0})
    only_total = row(**POOLED, n_gpus=24, total_tput_per_gpu_tok_s=3000.0)
    points = steps["layouts"].with_one_denominator(table(stated, told, unclear, single, only_total))
    columns = [
        "input_tput_per_gpu_tok_s",
        "output_tput_per_gpu_tok_s",
        "input_tput_per_prefill_gpu_tok_s",
        "prefill_gpus",
    ]
    whole = (pytest.approx(8000 / 3), pytest.approx(1000 / 3), 8000.0, 8)
    assert points.select(columns).rows() == [
        whole,
        whole,
        (None,) * 4,
        (2500.0, 500.0, None, None),
        (None,) * 4,
    ]


def test_gpus_that_both_pools_mirror_count_once(steps):
    mirrored = row(**MEDIAN | {"multinode": False}, n_gpus=72, tp=36, prefill_tp=36)
    points = steps["layouts"].with_true_counts(table(mirrored, row(**MEDIAN, n_gpus=72, tp=36)))
    assert points.select("n_gpus", "tp").rows() == [(36, None), (72, 36)]


def test_a_decode_worker_has_the_gpus_of_its_experts_or_of_its_runs(steps):
    pools = {"prefill_workers": 1, "decode_workers": 2, "prefill_gpus": 8, "tp": 1, "dp_attention": True}
    figures = {"median_tpot_s": 0.01, "total_tput_per_gpu_tok_s": 100.0}
    experts = row(**MEDIAN | {"source_ref": "config 1"}, **pools, decode_gpus=2, n_gpus=10, ep=8, **figures)
    attention = row(**MEDIAN | {"source_ref": "config 2"}, **pools, decode_gpus=2, n_gpus=10, ep=1, **figures)
    alone = attention | {"source_ref": "config 3", "concurrency": 99.0}
    whole = row(**MEDIAN | {"source_ref": "config 4"}, **pools, decode_gpus=16, n_gpus=24, ep=8, **figures)
    run = row(**POOLED | {"source": "inferencex-runs-dsr1"}, n_gpus=16, **figures)
    points = steps["layouts"].with_whole_workers(table(experts, attention, alone, whole, run))
    assert points.select("decode_gpus", "n_gpus").rows() == [(16, 24), (8, 16), (None, None), (16, 24), (None, 16)]


def test_pools_that_only_a_name_states(steps):
    named = row(notes="named DeepSeek-R1-PD-1P4-1D8; commit 1", n_gpus=8, total_tput_per_gpu_tok_s=12.0)
    points = steps["layouts"].with_named_pools(table(named, row(notes="named DeepSeek-R1-tp8; commit 1")))
    columns = ["prefill_gpus", "decode_gpus", "n_gpus", "total_tput_per_gpu_tok_s"]
    assert points.select(columns).rows() == [(4, 8, 12, 8.0), (None, None, 8, None)]


def test_a_carried_row_takes_the_configuration_that_it_names(steps):
    upstream = row(source="inferencex-2026-07", source_ref="config 718", n_gpus=8, tp=8, ep=8, speculative="none")
    carrier = {"source": "aiconfigurator-silicon", "disaggregated": False, "speculative": None}
    numbered = row(**carrier, source_ref="id=x_c4_cfg718", n_gpus=64, tp=64, ep=8)
    other_chip = numbered | {"accelerator": "B200"}
    multiplied = row(**carrier, source_ref="id=x_c4_tp8_ep8_940", n_gpus=64, tp=64, ep=8)
    right = row(**carrier, source_ref="id=x_c4_tp8_ep8_941", n_gpus=8, tp=8, ep=8)
    rack = row(**carrier, source_ref="id=x_c4_tp36_ep1_18", n_gpus=36, tp=36, ep=1, engine="trtllm")
    points = steps["carried"].with_upstream_configurations(
        table(upstream | {"disaggregated": False}, numbered, multiplied, right, rack)
    )
    assert points.select("n_gpus", "tp", "speculative", "engine", "disaggregated").rows() == [
        (8, 8, "none", "vllm", False),
        (8, 8, "none", "vllm", False),
        (8, 8, None, "vllm", False),
        (8, 8, None, "vllm", False),
        (36, None, None, "dynamo-trtllm", True),
    ]
    kept = steps["carried"].with_upstream_configurations(table(upstream | {"disaggregated": False}, other_chip))
    assert kept["speculative"].to_list() == ["none", None]


LAID = {"prefill_workers": 2, "decode_workers": 1, "prefill_gpus": 8, "decode_gpus": 8, "n_gpus": 16}
RUN = {"mean_ttft_s": 0.25, "mean_tpot_s": 0.0091}
CARRIED = {
    "source": "aiconfigurator-silicon",
    "disaggregated": True,
    "engine": "sglang",
    "n_gpus": None,
    "tp": 8,
    "prefill_tp": 4,
    "ep": 4,
    "speculative": None,
    **RUN,
}
UPSTREAM_RUN = {**POOLED, **LAID, "tp": 8, "prefill_tp": 4, "ep": 8, "prefill_ep": 4, "speculative": "mtp"}


def layouts_of(steps, *rows: dict) -> list[tuple]:
    """Workers, GPUs and EP that the last row comes to, and its speculation."""
    points = steps["pools"].with_layouts_of_runs(table(*rows))
    return points.select("prefill_workers", "decode_workers", "n_gpus", "ep", "speculative").rows()[-1]


def test_a_carried_row_takes_the_layout_of_its_run(steps):
    run = row(source="inferencex-runs-dsr1", **UPSTREAM_RUN, **RUN)
    near = row(source="inferencex-2026-07", **UPSTREAM_RUN | {"decode_workers": 4}, median_tpot_s=0.0091)
    assert layouts_of(steps, run, near, row(**CARRIED)) == (2, 1, 16, 8, "mtp")
    points = steps["pools"].with_layouts_of_runs(table(run, row(**CARRIED)))
    assert points["notes"].to_list() == [None, "layout of the same run in InferenceX"]
    assert points["engine"].to_list() == ["dynamo-sglang", "dynamo-sglang"]


@pytest.mark.parametrize(
    ("change", "laid"),
    [
        ({}, True),
        ({"median_tpot_s": 0.0099}, True),
        ({"median_tpot_s": 0.0102}, False),
        ({"tp": 16}, False),
        ({"prefill_tp": 8}, False),
        ({"engine": "dynamo-trtllm"}, False),
        ({"concurrency": 16.0}, False),
        ({"precision": "fp4"}, False),
        ({"prefill_workers": None}, False),
    ],
)
def test_a_carried_row_takes_the_layout_of_a_configuration_alike(steps, change, laid):
    median = row(source="inferencex-2026-07", **{**UPSTREAM_RUN, "median_tpot_s": 0.0091, **change})
    expected = (2, 1, 16, 8, "mtp") if laid else (None, None, None, 4, None)
    assert layouts_of(steps, median, row(**CARRIED)) == expected


@pytest.mark.parametrize("second", [{"prefill_workers": 4}, {"decode_gpus": 16}, {"speculative": "none"}, {"ep": 1}])
def test_a_carried_row_with_two_configurations_alike_stays_without_a_layout(steps, second):
    one = {"source": "inferencex-2026-07", "median_tpot_s": 0.0091, **UPSTREAM_RUN}
    assert layouts_of(steps, row(**one), row(**one), row(**CARRIED))[0] == 2
    assert layouts_of(steps, row(**one), row(**one | second), row(**CARRIED))[0] is None


def test_gpus_stand_in_for_a_tp_that_is_not_stated(steps):
    median = row(source="inferencex-2026-07", **UPSTREAM_RUN, median_tpot_s=0.0091)
    bare = CARRIED | {"tp": None, "prefill_tp": None}
    assert layouts_of(steps, median, row(**bare | {"n_gpus": 16}))[0] == 2
    assert layouts_of(steps, median, row(**bare | {"n_gpus": 24}))[0] is None
    assert layouts_of(steps, median, row(**bare))[0] is None


@pytest.mark.parametrize(
    ("change", "laid"),
    [({}, True), ({"n_gpus": 24}, False), ({"prefill_gpus": 4, "decode_gpus": 12}, False), ({"tp": 4}, False)],
)
def test_a_run_without_workers_takes_a_layout_of_its_own_gpus(steps, change, laid):
    run = row(source="inferencex-runs-dsr1", **UPSTREAM_RUN, median_tpot_s=0.0095)
    bare = {**CARRIED, "source": "inferencex-2026-07", "engine": "dynamo-sglang", "n_gpus": 16, "speculative": "mtp"}
    assert layouts_of(steps, run, row(**bare | change))[0] == (2 if laid else None)
    assert layouts_of(steps, run, row(**bare | {"speculative": "none"}))[0] is None
