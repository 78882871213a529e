"""llmperf's summaries."""

from __future__ import annotations

import json

import pytest

from tests.support.exact_rows import BARE, DATA, assert_row, imported
from tests.support.foreign import save

SAMPLE = DATA / "llmperf" / "summary.json"
EXPECTED = {
    "origin": "measured",
    "source": "llmperf",
    "source_ref": "Qwen-Qwen3-8B_1000_200_summary",
    "date": "2026-05-28",
    "notes": "2 of 80 requests failed; mean TPOT computed from the means of E2E, TTFT and output tokens",
    "model": "qwen3-8b",
    "model_variant": "Qwen/Qwen3-8B",
    "isl": 1000,
    "osl": 200,
    "mean_isl": 1002.0,
    "mean_osl": 201.0,
    "load_kind": "closed",
    "concurrency": 8.0,
    "error_rate": 2 / 80,
    # 150 requests a minute of 1,002 tokens, on 2 GPUs.
    "input_tput_per_gpu_tok_s": 2505.0 / 2,
    "output_tput_per_gpu_tok_s": 502.5 / 2,
    "total_tput_per_gpu_tok_s": 3007.5 / 2,
    "mean_ttft_s": 0.34,
    "median_ttft_s": 0.32,
    "p90_ttft_s": 0.4,
    "p95_ttft_s": 0.45,
    "p99_ttft_s": 0.6,
    "mean_e2e_s": 3.1,
    "median_e2e_s": 3.0,
    "p90_e2e_s": 3.3,
    "p95_e2e_s": 3.5,
    "p99_e2e_s": 3.9,
    "mean_tpot_s": (3.1 - 0.34) / 200,
}


def test_exact_values(catalog):
    [row] = imported(SAMPLE, catalog, BARE)
    assert_row(row, EXPECTED)


def test_its_inter_token_latency_is_no_gap_between_chunks_and_no_tpot(catalog, tmp_path):
    summary = json.loads(SAMPLE.read_text()) | {"results_end_to_end_latency_s_mean": None}
    [row] = imported(save(tmp_path, summary), catalog, BARE)
    assert not [column for column in row if column.endswith(("itl_s", "tpot_s"))]
    assert row["notes"] == "2 of 80 requests failed"


def test_results_may_be_nested(catalog, tmp_path):
    flat = json.loads(SAMPLE.read_text())
    nested = {k: v for k, v in flat.items() if not k.startswith("results_")}
    results: dict = {"ttft_s": {"quantiles": {}}, "end_to_end_latency_s": {"quantiles": {}}}
    for key, value in flat.items():
        name = key.removeprefix("results_")
        metric = next((m for m in ("ttft_s", "end_to_end_latency_s") if name.startswith(m)), None)
        if metric and "_quantiles_" in name:
            results[metric]["quantiles"][name.rsplit("_", 1)[1]] = value
        elif metric:
            results[metric][name.removeprefix(f"{metric}_")] = value
        elif key.startswith("results_"):
            results[name] = value
    [row] = imported(save(tmp_path, nested | {"results": results}), catalog, BARE)
    assert_row(row, EXPECTED)


@pytest.mark.parametrize(
    ("change", "column", "expected"),
    [
        ({"results_ttft_s_quantiles_p50": 0}, "median_ttft_s", None),
        ({"results_num_requests_started": None}, "error_rate", 0.025),
        ({"results_num_completed_requests_per_min": None}, "total_tput_per_gpu_tok_s", None),
        ({"results_num_completed_requests_per_min": None}, "output_tput_per_gpu_tok_s", 502.5 / 2),
        ({"timestamp": -4}, "date", None),
    ],
)
def test_what_is_missing_is_left_out(change, column, expected, catalog, tmp_path):
    [row] = imported(save(tmp_path, json.loads(SAMPLE.read_text()) | change), catalog, BARE)
    assert row.get(column) == expected
