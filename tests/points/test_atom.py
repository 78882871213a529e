"""The dashboard of ROCm/ATOM: names of runs to columns, and what is no operating point."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadFile, BadRows
from paretoken.points.load import import_file
from tests.support.foreign import DATA

DASHBOARD = DATA / "atom_dashboard.js"


@pytest.fixture(scope="module")
def points(catalog):
    table, errors = import_file(DASHBOARD, catalog=catalog, values={}, keep_going=True)
    assert table.height == 3 and len(errors) == 2
    return table


EXPECTED = [
    {
        "origin": "published",
        "source": "ROCm/ATOM dashboard",
        "source_ref": "https://github.com/ROCm/ATOM/actions/runs/1",
        "licence": "MIT",
        "date": "2026-05-17",
        "engine": "atom-vllm",
        "engine_version": "rocm/atom-dev:vllm-v0.19.0-nightly",
        "model_variant": "GLM-4.7-FP8-aw-tp4",
        "precision": "fp8",
        "accelerator": "MI355X",
        "n_gpus": 4,
        "tp": 4,
        "ep": 1,
        "speculative": "none",
        "isl": 1000,
        "osl": 100,
        "concurrency": 8.0,
        "total_tput_per_gpu_tok_s": 1100.0,
        "output_tput_per_gpu_tok_s": 100.0,
        "mean_ttft_s": 0.2,
        "mean_tpot_s": 0.018,
        "median_ttft_s": None,
        "notes": "named GLM-4.7-FP8-aw-tp4; commit 012345678",
    },
    {
        "engine": "atom",
        "engine_version": "commit 012345678",
        "model": "deepseek-v4-pro",
        "precision": "fp4",
        "accelerator": "MI355X",
        "dp_attention": True,
        "speculative": "mtp",
        "speculative_tokens": 3,
        "acceptance_length": 2.6,
        "tp": 8,
        "total_tput_per_gpu_tok_s": 800.0,
    },
    {
        "engine": "atom",
        "model": "deepseek-r1",
        "precision": "fp4",
        "speculative": "none",
        "speculative_tokens": None,
        "dp_attention": False,
        "disaggregated": False,
        "source_ref": "commit 012345678",
    },
]


@pytest.mark.parametrize("row", range(len(EXPECTED)))
def test_every_column_of_a_run(points, row):
    got = points.row(row, named=True)
    assert {name: got[name] for name in EXPECTED[row]} == pytest.approx(EXPECTED[row])


def test_failed_and_disaggregated_runs_are_named_with_the_reason(catalog):
    with pytest.raises(BadRows) as e:
        import_file(DASHBOARD, catalog=catalog, values={})
    first, second = e.value.errors
    assert first.why == "is a failed run: its throughput is 0 (gpt-oss-120b, 4 users)"
    assert "its pools are not stated" in second.why


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("DeepSeek-R1-0528-MXFP4-tp4-dp4-ep4", {"tp": 4, "ep": 4, "dp_attention": True, "model": "deepseek-r1"}),
        ("DeepSeek-R1-0528-MXFP4-mtp1", {"speculative": "mtp", "speculative_tokens": 1}),
        ("Qwen3-Next-80B-A3B-Instruct-FP8-mtp-tp1", {"speculative": "mtp", "speculative_tokens": None, "tp": 1}),
        ("MiniMax-M3-MXFP8 EAGLE3", {"speculative": "eagle3", "speculative_tokens": None, "precision": "fp8"}),
        ("DeepSeek-V4-Pro DPA DSpark", {"speculative": "dspark", "dp_attention": True}),
        ("DeepSeek-V4-Pro TBO", {"speculative": "none", "dp_attention": False}),
        ("MiniMax-M2.5-aw-tp2", {"precision": "fp8", "tp": 2, "model": "minimax-m2.5"}),
        ("Qwen3.5-397B-A17B", {"precision": "bf16"}),
        ("gpt-oss-120b-aw-tp8", {"precision": "fp4", "model": "gpt-oss-120b"}),
    ],
)
def test_variants_are_read_off_the_name(name, columns, catalog, tmp_path):
    metrics = {"throughput (tok/s)": 10, "Total Tput (tok/s)": 20, "TTFT (ms)": 5, "TPOT (ms)": 2, "_gpu_count": 8}
    benches = [{"name": f"ATOM::{name} 1024/1024 c=4 {m}", "value": v, "unit": ""} for m, v in metrics.items()]
    night = {"commit": {"id": "abc"}, "date": 1779000000000, "benches": benches}
    path = tmp_path / "data.js"
    document = json.dumps({"lastUpdate": 1, "entries": {"Benchmark": [night]}})
    path.write_text(f"window.BENCHMARK_DATA = {document};\n")  # minified, with a semicolon
    row = import_file(path, catalog=catalog, values={})[0].row(0, named=True)
    assert {key: row[key] for key in columns} == columns and row["model_variant"] == name


@pytest.mark.parametrize(
    "night",
    [
        None,
        [],
        {"benches": None},
        {"benches": [None, 1, {"name": None}, {"name": ["x"]}]},
        {"date": 1e300, "commit": "x", "benches": [{"name": "ATOM::gpt-oss-120b 1/1 c=1 TTFT (ms)", "value": []}]},
        {"date": "x", "benches": [{"name": "A " * 100_000 + "1/1 c=1 TTFT", "value": 1}]},
        {"benches": [{"name": "ATOM::x " + "9" * 400 + "/1 c=1 TTFT (ms)", "value": {"a": 1}, "extra": " " * 90_000}]},
    ],
)
def test_hostile_nights_are_skipped_or_named(night, catalog, tmp_path):
    document = json.loads(DASHBOARD.read_text().split("=", 1)[1])
    document["entries"]["Benchmark"].append(night)
    path = tmp_path / "data.js"
    path.write_text(f"window.BENCHMARK_DATA = {json.dumps(document)}")
    assert import_file(path, catalog=catalog, values={}, keep_going=True)[0].height == 3


def test_another_projects_dashboard_is_refused(catalog, tmp_path):
    path = tmp_path / "data.js"
    path.write_text('window.BENCHMARK_DATA = {"lastUpdate": 1, "entries": {"B": [{"benches": [{"name": "fib(20)"}]}]}}')
    with pytest.raises(BadFile, match="none of its figures is named as ROCm/ATOM"):
        import_file(path, catalog=catalog, values={})


def test_a_dashboard_cut_off_in_the_middle_is_refused(catalog, tmp_path):
    path = tmp_path / "data.js"
    path.write_bytes(DASHBOARD.read_bytes()[:3000])
    with pytest.raises(BadFile, match="may be truncated"):
        import_file(path, catalog=catalog, values={}, keep_going=True)
