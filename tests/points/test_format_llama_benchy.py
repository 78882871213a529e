"""llama-benchy's reports."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadRows
from tests.support.exact_rows import BARE, DATA, assert_row, imported
from tests.support.foreign import save

FOLDER = DATA / "llama_benchy"
CACHED = "4096 input tokens come from the prefix cache"
EVERY = {
    "origin": "measured",
    "source": "llama-benchy",
    "model": "gpt-oss-120b",
    "model_variant": "openai/gpt-oss-120b",
    "osl": 32,
    "load_kind": "closed",
    # Rates of batches leave out the prompt or the generation.
    "total_tput_per_gpu_tok_s": None,
    "output_tput_per_gpu_tok_s": None,
}
EXPECTED = {
    ("report.json", 0): {
        "date": "2026-02-07",
        "isl": 2048,
        "concurrency": 1.0,
        "mean_ttft_s": 1.11,
        "median_ttft_s": 1.1,
        "mean_tpot_s": (1 / 40 + 2 / 50) / 3,
        "median_tpot_s": 1 / 50,
        "notes": None,
    },
    ("report.json", 1): {
        "isl": 4096,
        "concurrency": 2.0,
        "mean_ttft_s": 2.8,
        "median_ttft_s": 2.8,
        "mean_tpot_s": 1 / 40,
        "median_tpot_s": 1 / 40,
        "notes": None,
    },
    ("report.json", 2): {
        "isl": 6144,
        "concurrency": 2.0,
        "mean_ttft_s": 1.5,
        "median_ttft_s": 1.5,
        "mean_tpot_s": (1 / 50 + 1 / 30) / 2,
        "median_tpot_s": 1 / 40,
        "notes": CACHED,
    },
    ("report.csv", 0): {
        "isl": 6144,
        "concurrency": 2.0,
        "mean_ttft_s": 2.2,
        "mean_tpot_s": 1 / 50,
        "notes": None,
        "date": None,
    },
    ("report.csv", 1): {"isl": 2048, "concurrency": 1.0, "mean_ttft_s": 1.1, "mean_tpot_s": 1 / 40},
    ("report.md", 0): {
        "date": "2026-01-02",
        "isl": 2048,
        "concurrency": 1.0,
        "mean_ttft_s": 1.1,
        "mean_tpot_s": 1 / 50,
        "notes": None,
    },
    ("report.md", 1): {"isl": 4096, "mean_ttft_s": 3.2, "mean_tpot_s": 1 / 40, "notes": None},
    ("report.md", 2): {"isl": 6144, "mean_ttft_s": 1.2, "mean_tpot_s": 1 / 40, "notes": CACHED},
}


@pytest.mark.parametrize(("file", "at"), EXPECTED, ids=str)
def test_exact_values(file, at, catalog):
    rows = imported(FOLDER / file, catalog, BARE)
    assert len(rows) == sum(f == file for f, _ in EXPECTED)
    assert_row(rows[at], EVERY | EXPECTED[file, at])


def test_a_run_without_lists_of_values_has_means_only(catalog, tmp_path):
    report = json.loads((FOLDER / "report.json").read_text())
    run = report["benchmarks"][0]
    run["tg_throughput"]["values"], run["e2e_ttft"]["values"] = [], None
    [row, *_] = imported(save(tmp_path, report), catalog, BARE)
    assert_row(row, {"mean_ttft_s": 1.11, "mean_tpot_s": 1 / 45})


def test_a_prompt_without_its_generation_asks_for_the_length(catalog, tmp_path):
    lines = (FOLDER / "report.csv").read_text().splitlines()
    path = save(tmp_path, "\n".join(lines[:-1]), "report.csv")
    with pytest.raises(BadRows, match="does not state the output length; add --osl"):
        imported(path, catalog, BARE)
    assert_row(imported(path, catalog, BARE | {"osl": 32})[1], {"mean_ttft_s": 1.1, "isl": 2048})


def test_a_name_of_no_test_is_refused(catalog, tmp_path):
    path = save(tmp_path, (FOLDER / "report.csv").read_text().replace("pp2048 (c1)", "pp of mine"), "report.csv")
    with pytest.raises(BadRows, match="'pp of mine' is no test of llama-benchy"):
        imported(path, catalog, BARE)
