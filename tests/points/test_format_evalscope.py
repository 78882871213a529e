"""EvalScope's summaries of old and new, and the folder of their runs."""

from __future__ import annotations

import json
import shutil

import pytest

from paretoken.errors import BadFile
from tests.support.exact_rows import BARE, DATA, assert_row, imported
from tests.support.foreign import save

RUNS = DATA / "evalscope" / "runs"
OLD = DATA / "evalscope" / "old" / "benchmark_summary.json"
MODEL = BARE | {"model": "qwen3-8b"}


def run_of(concurrency: float, factor: float) -> dict:
    """The row of a run of 1,024/200 tokens; the zeros and nulls among its percentiles are no columns."""
    return {
        "origin": "measured",
        "source": "EvalScope",
        "source_ref": f"parallel_{concurrency:.0f}_number_{concurrency * 10:.0f}",
        "notes": f"1 of {concurrency * 10:.0f} requests failed",
        "error_rate": 1 / (concurrency * 10),
        "model": "qwen3-8b",
        "isl": 1024,
        "osl": 200,
        "mean_isl": 1001.5,
        "mean_osl": 199.5,
        "load_kind": "closed",
        "concurrency": concurrency,
        "input_tput_per_gpu_tok_s": 500.0 * factor,
        "output_tput_per_gpu_tok_s": 100.0 * factor,
        "total_tput_per_gpu_tok_s": 600.0 * factor,
        "mean_ttft_s": 0.2 * factor,
        "median_ttft_s": 0.18 * factor,
        "p90_ttft_s": 0.3 * factor,
        "p95_ttft_s": 0.32 * factor,
        "p99_ttft_s": 0.4 * factor,
        "mean_tpot_s": 0.014 * factor,
        "median_tpot_s": 0.0135 * factor,
        "p90_tpot_s": 0.016 * factor,
        "p95_tpot_s": 0.017 * factor,
        "median_itl_s": 0.013 * factor,
        "p90_itl_s": 0.015 * factor,
        "p99_itl_s": 0.02 * factor,
        "mean_e2e_s": 3.0 * factor,
        "median_e2e_s": 2.9 * factor,
        "p90_e2e_s": 3.5 * factor,
        "p95_e2e_s": 3.6 * factor,
        "p99_e2e_s": 4.0 * factor,
    }


def test_a_folder_is_all_of_its_runs(catalog):
    rows = imported(RUNS, catalog, BARE)
    assert len(rows) == 2
    for row, expected in zip(rows, (run_of(4.0, 1.0), run_of(8.0, 2.0)), strict=True):
        assert_row(row, expected)


@pytest.mark.parametrize("file", ["benchmark_summary.json", "benchmark_percentile.json"])
def test_either_file_is_the_run(file, catalog):
    [row] = imported(RUNS / "parallel_4_number_40" / file, catalog, BARE)
    assert_row(row, run_of(4.0, 1.0))


def test_a_summary_alone_has_its_means(catalog, tmp_path):
    shutil.copy(RUNS / "parallel_4_number_40" / "benchmark_summary.json", tmp_path)
    [row] = imported(tmp_path / "benchmark_summary.json", catalog, MODEL)
    assert_row(row, {"mean_ttft_s": 0.2, "mean_tpot_s": 0.014, "mean_e2e_s": 3.0, "isl": 1002, "osl": 200})


def test_without_streaming_the_whole_answer_is_no_ttft(catalog):
    [row] = imported(OLD, catalog, MODEL)
    expected = {
        "notes": "not streamed: no time to the first token",
        "mean_e2e_s": 8.636,
        "output_tput_per_gpu_tok_s": 250.0,
        "total_tput_per_gpu_tok_s": None,
        "concurrency": 10.0,
        "error_rate": 0.0,
        "isl": 50,
        "mean_isl": 50.2,
    }
    assert_row(row, expected)


def test_units_stand_in_the_names(catalog, tmp_path):
    change = {
        "Average time to first token (s)": 0.4,
        "Average inter-token latency (s)": 0.03,
        "Output token throughput (tok/s)": 500.0,
        "Total token throughput (tok/s)": 600.0,
    }
    [row] = imported(save(tmp_path, json.loads(OLD.read_text()) | change), catalog, MODEL)
    expected = {"mean_ttft_s": 0.4, "mean_itl_s": 0.03, "mean_tpot_s": 0.004, "mean_e2e_s": 8.636}
    assert_row(row, expected | {"total_tput_per_gpu_tok_s": 300.0, "input_tput_per_gpu_tok_s": 50.0})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Request Rate (req/s)": 2.5, "Concurrency": -1}, {"load_kind": "open", "request_rate": 2.5, "notes": None}),
        ({"Request Rate (req/s)": 2.5}, {"load_kind": "open", "request_rate": 2.5, "concurrency": None}),
        ({"TTFT (ms)": -1}, {"mean_ttft_s": None}),
        ({"Output Throughput (tok/s)": -1}, {"output_tput_per_gpu_tok_s": None, "total_tput_per_gpu_tok_s": 600.0}),
    ],
)
def test_variants(change, expected, catalog, tmp_path):
    summary = json.loads((RUNS / "parallel_4_number_40" / "benchmark_summary.json").read_text())
    [row] = imported(save(tmp_path, summary | change | {"Failed Requests": 0}), catalog, MODEL)
    assert {column: row.get(column) for column in expected} == expected


def test_percentiles_alone_ask_for_the_rest(catalog, tmp_path):
    shutil.copy(RUNS / "parallel_4_number_40" / "benchmark_percentile.json", tmp_path)
    with pytest.raises(BadFile, match="does not state the input length, the output length or the load"):
        imported(tmp_path / "benchmark_percentile.json", catalog, MODEL)
