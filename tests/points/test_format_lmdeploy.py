"""LMDeploy's tables."""

from __future__ import annotations

import pytest

from tests.support.exact_rows import BARE, DATA, assert_row, imported
from tests.support.foreign import save

FOLDER = DATA / "lmdeploy"
MODEL = BARE | {"model": "qwen3-8b"}
EXPECTED = {
    ("profile_throughput.csv", 0): {
        "origin": "measured",
        "source": "LMDeploy",
        "isl": 250,
        "osl": 200,
        "mean_isl": 250.0,
        "mean_osl": 200.0,
        "load_kind": "closed",
        "concurrency": 128.0,
        "input_tput_per_gpu_tok_s": 625.0,
        "output_tput_per_gpu_tok_s": 500.0,
        "total_tput_per_gpu_tok_s": 1125.0,
        "mean_ttft_s": 0.152,
        "median_itl_s": 0.044,
        "p95_itl_s": 0.089,
        "p99_itl_s": 0.112,
    },
    # Not streamed: a dash stands where there is no TTFT.
    ("profile_restful_api.csv", 0): {"isl": 200, "osl": 200, "concurrency": 64.0, "total_tput_per_gpu_tok_s": 800.0},
    ("profile_generation.csv", 0): {
        "isl": 128,
        "osl": 2048,
        "mean_isl": None,
        "concurrency": 1.0,
        "output_tput_per_gpu_tok_s": 50.0,
        "total_tput_per_gpu_tok_s": 53.125,
        "mean_ttft_s": 0.021,
        "median_itl_s": 0.01,
        "p95_itl_s": 0.011,
        "p99_itl_s": 0.012,
    },
    ("profile_generation.csv", 1): {"concurrency": 16.0, "mean_ttft_s": 0.045, "p95_itl_s": 0.013, "p99_itl_s": 0.015},
    ("profile_pipeline_api.csv", 0): {
        "isl": 1024,
        "osl": 256,
        "mean_isl": 1024.0,
        "mean_osl": 250.0,
        "load_kind": "closed",
        "concurrency": 32.0,
        "error_rate": 0.02,
        "notes": "2 of 100 requests failed",
        "input_tput_per_gpu_tok_s": 1024.0,
        "output_tput_per_gpu_tok_s": 250.0,
        "mean_ttft_s": 0.25,
        "mean_tpot_s": 0.015,
        "mean_itl_s": 0.0152,
        "mean_e2e_s": 4.0,
    },
    # Not streamed, of no random data set.
    ("profile_pipeline_api.csv", 1): {
        "isl": 300,
        "osl": 200,
        "concurrency": 64.0,
        "error_rate": 0.0,
        "notes": None,
        "mean_e2e_s": 5.0,
    },
    # A table, though its name says JSON lines.
    ("profile_restful_api.jsonl", 0): {
        "isl": 1024,
        "osl": 256,
        "load_kind": "open",
        "request_rate": 4.0,
        "error_rate": None,
        "mean_ttft_s": 0.15,
        "mean_tpot_s": 0.0145,
        "mean_itl_s": 0.0147,
        "mean_e2e_s": 3.9,
    },
    ("profile_restful_api.jsonl", 1): {
        "load_kind": "offline",
        "mean_ttft_s": 9.15,
        "mean_tpot_s": 0.0185,
        "mean_itl_s": 0.0187,
        "mean_e2e_s": 13.9,
    },
}


@pytest.mark.parametrize(("file", "at"), EXPECTED, ids=str)
def test_exact_values(file, at, catalog):
    rows = imported(FOLDER / file, catalog, MODEL)
    assert len(rows) == sum(f == file for f, _ in EXPECTED)
    assert_row(rows[at], EXPECTED[file, at])


def test_a_table_in_markdown_is_the_same(catalog, tmp_path):
    header, row = (line.split(",") for line in (FOLDER / "profile_throughput.csv").read_text().splitlines())
    lines = ["The results:", *("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), row))]
    [point] = imported(save(tmp_path, "\n".join(lines), "README.md"), catalog, MODEL)
    assert_row(point, EXPECTED["profile_throughput.csv", 0])
