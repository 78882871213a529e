"""The tables of dstack's benchmarks."""

from __future__ import annotations

import pytest

from tests.support.exact_rows import BARE, DATA, assert_row, imported

FOLDER = DATA / "dstack"
EXPECTED = {
    ("online.csv", 0): {
        "origin": "published",
        "source": "dstack benchmarks",
        "accelerator": "MI300X",
        "engine": "vllm",
        "isl": 3200,
        "osl": 800,
        "mean_isl": 3200.0,
        "mean_osl": 800.0,
        "load_kind": "closed",
        "concurrency": 64.0,
        "input_tput_per_gpu_tok_s": 2000.0,
        "output_tput_per_gpu_tok_s": 500.0,
        "mean_ttft_s": 1.2,
        "median_ttft_s": 1.1,
        "p99_ttft_s": 1.9,
        "mean_tpot_s": 0.014,
        "median_tpot_s": 0.0135,
        "p99_tpot_s": 0.016,
        "mean_itl_s": 0.0142,
        "median_itl_s": 0.013,
        "p99_itl_s": 0.03,
        "mean_e2e_s": 12.0,
        "median_e2e_s": 11.9,
        "p99_e2e_s": 13.0,
    },
    ("offline.csv", 0): {
        "accelerator": "MI300X",
        "engine": "vllm",
        "isl": 3200,
        "osl": 800,
        "load_kind": "offline",
        "input_tput_per_gpu_tok_s": 1024.0,
        "output_tput_per_gpu_tok_s": 256.0,
        "total_tput_per_gpu_tok_s": 1280.0,
    },
}


@pytest.mark.parametrize(("file", "at"), EXPECTED, ids=str)
def test_exact_values(file, at, catalog):
    assert_row(imported(FOLDER / file, catalog, {"model": "qwen3-8b", "n_gpus": 8})[at], EXPECTED[file, at])


def test_the_words_of_a_client_as_columns(catalog):
    [row] = imported(FOLDER / "printed.csv", catalog, BARE | {"model": "qwen3-8b", "concurrency": 4})
    expected = {
        "origin": "published",
        "isl": 10000,
        "osl": 120,
        "mean_isl": 10000.0,
        "mean_osl": 120.0,
        "load_kind": "closed",
        "concurrency": 4.0,
        "input_tput_per_gpu_tok_s": 1000.0,
        "output_tput_per_gpu_tok_s": 12.0,
        "total_tput_per_gpu_tok_s": 1012.0,
        "mean_ttft_s": 3.0,
        "median_ttft_s": 2.9,
        "p99_ttft_s": 4.8,
        "mean_tpot_s": 0.021,
        "median_tpot_s": 0.02,
        "p99_tpot_s": 0.036,
        "mean_itl_s": 0.0205,
        "median_itl_s": 0.0069,
        "p99_itl_s": 0.08,
    }
    assert_row(row, expected)


def test_every_row_names_its_own_machine(catalog):
    rows = imported(FOLDER / "online.csv", catalog, {"model": "qwen3-8b", "n_gpus": 8})
    assert [(r["accelerator"], r["engine"]) for r in rows] == [("MI300X", "vllm"), ("H200", "trtllm")]
