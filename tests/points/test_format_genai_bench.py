"""genai-bench's runs, one by one and as the folder of an experiment."""

from __future__ import annotations

import json
import shutil

import pytest

from paretoken.errors import BadFile
from tests.support.exact_rows import DATA, assert_row, imported
from tests.support.foreign import save

FOLDER = DATA / "genai_bench"
FIXED = "D100_1000_text-to-text_num_concurrency_8_time_60s.json"
NORMAL = "N480_240_300_150_text-to-text_num_concurrency_1_time_60s.json"
SERVER = {
    "origin": "measured",
    "source": "genai-bench",
    "accelerator": "H100",
    "n_gpus": 2,
    "engine": "sglang",
    "engine_version": "v0.5.3",
    "model": "llama-3.1-8b",
    "model_variant": "Llama-3.1-8B-Instruct",
    "load_kind": "closed",
}
LATENCIES = {
    f"{statistic}_{key}_s": value * share
    for key, (mean, median) in {"ttft": (0.1, 0.08), "tpot": (0.01, 0.009), "e2e": (10.0, 9.0)}.items()
    for statistic, value, share in (
        ("mean", mean, 1),
        ("median", median, 1),
        ("p90", median, 1.2),
        ("p95", median, 1.3),
        ("p99", median, 1.5),
    )
}
EXPECTED = {
    # Written in ms, as the file says itself.
    FIXED: SERVER
    | LATENCIES
    | {
        "source_ref": "D(100,1000)",
        "notes": "4 of 80 requests failed",
        "error_rate": 0.05,
        "isl": 100,
        "osl": 1000,
        "mean_isl": 101.0,
        "mean_osl": 1000.0,
        "concurrency": 8.0,
        "input_tput_per_gpu_tok_s": 50.5,
        "output_tput_per_gpu_tok_s": 500.0,
        "total_tput_per_gpu_tok_s": 550.5,
    },
    # Without a duration: its input throughput is that of the prompts alone.
    NORMAL: SERVER
    | LATENCIES
    | {
        "source_ref": "N(480,240)/(300,150)",
        "notes": "input and output throughput left out: they do not add up to the total",
        "error_rate": 0.0,
        "isl": 480,
        "osl": 300,
        "mean_isl": 470.0,
        "mean_osl": 310.0,
        "concurrency": 1.0,
        "input_tput_per_gpu_tok_s": None,
        "output_tput_per_gpu_tok_s": None,
        "total_tput_per_gpu_tok_s": 50.5,
    },
}


@pytest.mark.parametrize("file", EXPECTED)
def test_exact_values(file, catalog):
    [row] = imported(FOLDER / file, catalog, {})
    assert_row(row, EXPECTED[file])


def test_a_folder_is_all_of_its_runs(catalog):
    rows = imported(FOLDER, catalog, {})
    assert [row["source_ref"] for row in rows] == ["D(100,1000)", "N(480,240)/(300,150)"]


def test_a_run_apart_from_its_metadata_asks_for_it(catalog, tmp_path):
    shutil.copy(FOLDER / FIXED, tmp_path / "run.json")
    with pytest.raises(BadFile, match="the accelerator, the model, the engine or the number of GPUs"):
        imported(tmp_path / "run.json", catalog, {})


def test_metadata_that_is_broken_states_nothing(catalog, tmp_path):
    shutil.copy(FOLDER / FIXED, tmp_path / "run.json")
    save(tmp_path, '{"model": ', "experiment_metadata.json")
    with pytest.raises(BadFile, match="does not state the accelerator"):
        imported(tmp_path / "run.json", catalog, {})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"arrival_requests_per_second": 2.5}, {"load_kind": "open", "request_rate": 2.5, "concurrency": None}),
        ({"scenario": "dataset"}, {"isl": 101, "osl": 1000}),
        ({"num_error_requests": 0}, {"error_rate": 0.0, "notes": None}),
    ],
)
def test_variants(change, expected, catalog, tmp_path):
    run = json.loads((FOLDER / FIXED).read_text())
    run["aggregated_metrics"] |= change
    shutil.copy(FOLDER / "experiment_metadata.json", tmp_path)
    [row] = imported(save(tmp_path, run, "run.json"), catalog, {})
    assert {column: row.get(column) for column in expected} == expected
