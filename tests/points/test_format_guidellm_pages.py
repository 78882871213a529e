"""GuideLLM's CSV, YAML and HTML: the figures of the JSON report in other clothes."""

from __future__ import annotations

import csv
import json

import pytest

from paretoken.errors import BadFile
from tests.support.exact_rows import BARE, DATA, assert_row, imported
from tests.support.foreign import save

FOLDER = DATA / "guidellm"
EVERY = {"origin": "measured", "source": "GuideLLM", "model": "qwen3-8b", "model_variant": "Qwen/Qwen3-8B"}
CSV_LATENCIES = {
    f"{statistic}_{key}_s": value
    for key, values in {
        "ttft": (0.1, 0.09, 0.12, 0.13, 0.15),
        "tpot": (0.015, 0.014, 0.018, 0.0195, 0.0225),
        "e2e": (2.0, 1.9, 2.4, 2.6, 3.0),
    }.items()
    for statistic, value in zip(("mean", "median", "p90", "p95", "p99"), values, strict=True)
}
CSV_ROWS = CSV_LATENCIES | {
    "isl": 512,
    "osl": 128,
    "mean_isl": 510.0,
    "mean_osl": 127.0,
    "output_tput_per_gpu_tok_s": 127.0,
    "total_tput_per_gpu_tok_s": 637.0,
}
TAILS = {
    "p95_ttft_s": 0.12,
    "p99_ttft_s": 0.15,
    "p95_tpot_s": 0.012,
    "p99_tpot_s": 0.015,
    "p95_e2e_s": 2.6,
    "p99_e2e_s": 3.0,
    "isl": 511,
    "osl": 128,
    "mean_isl": 511.0,
    "mean_osl": 127.5,
    "input_tput_per_gpu_tok_s": 510.0,
    "output_tput_per_gpu_tok_s": 127.5,
    "total_tput_per_gpu_tok_s": 637.5,
    "date": "2026-07-01",
}


def distributions(factor: float) -> dict:
    """The latencies of an old page's benchmark."""
    return {
        "mean_ttft_s": 0.1 * factor,
        "median_ttft_s": 0.09 * factor,
        "p95_ttft_s": 0.12 * factor,
        "p99_ttft_s": 0.15 * factor,
        "mean_tpot_s": 0.01 * factor,
        "median_tpot_s": 0.009 * factor,
        "p90_tpot_s": 0.012 * factor,
        "p99_tpot_s": 0.015 * factor,
        "mean_e2e_s": 2.0 * factor,
        "median_e2e_s": 1.9 * factor,
        "p90_e2e_s": 2.5 * factor,
        "p99_e2e_s": 3.0 * factor,
        "output_tput_per_gpu_tok_s": 125.0 * factor,
        "isl": 512,
        "osl": 128,
        "mean_isl": 512.4,
        "mean_osl": 127.6,
        "date": "2025-09-01",
        "request_rate": None,
    }


EXPECTED = {
    ("benchmarks_03.csv", 0): CSV_ROWS
    | {"load_kind": "closed", "concurrency": 8.0, "date": "2025-08-01", "notes": "1 of 101 requests failed"},
    ("benchmarks_03.csv", 1): CSV_ROWS | {"load_kind": "open", "request_rate": 2.5, "concurrency": None},
    ("benchmarks.csv", 0): CSV_ROWS
    | {
        "load_kind": "closed",
        "concurrency": 16.0,
        "date": "2026-03-01",
        "notes": "10 of 100 requests failed",
        "input_tput_per_gpu_tok_s": 510.0,
    },
    ("benchmarks.csv", 1): CSV_ROWS | {"load_kind": "open", "request_rate": 1.25},
    ("benchmarks_03.html", 0): distributions(1) | {"load_kind": "closed", "concurrency": 1.0},
    ("benchmarks_03.html", 1): distributions(2) | {"load_kind": "offline", "concurrency": None},
    ("benchmarks_03.html", 2): distributions(1.5) | {"load_kind": "open"},
    ("benchmarks.html", 0): TAILS | {"load_kind": "closed", "concurrency": 8.0},
    ("benchmarks.html", 1): TAILS | {"load_kind": "offline"},
    ("benchmarks.html", 2): TAILS | {"load_kind": "open", "request_rate": 2.5},
}


@pytest.mark.parametrize(("file", "at"), EXPECTED, ids=str)
def test_exact_values(file, at, catalog):
    rows = imported(FOLDER / file, catalog, BARE)
    assert len(rows) == sum(f == file for f, _ in EXPECTED)
    assert_row(rows[at], EVERY | {"source_ref": f"benchmark {at + 1}"} | EXPECTED[file, at])


def test_yaml_is_the_json_report(catalog):
    assert imported(FOLDER / "benchmarks.yaml", catalog, BARE) == imported(DATA / "guidellm_08.json", catalog, BARE)


def test_a_page_says_whose_tokens_it_counts(catalog):
    for row in imported(FOLDER / "benchmarks.html", catalog, BARE):
        assert "2 of 100 requests failed" in row["notes"]
        assert "throughput counts the tokens of all requests, failed ones too" in row["notes"]


def test_a_page_of_one_strategy_states_no_streams(catalog, tmp_path):
    page = (FOLDER / "benchmarks_03.html").read_text().replace('"rateType": "synchronous"', '"rateType": "concurrent"')
    rows = imported(save(tmp_path, page, "page.html"), catalog, BARE)
    assert [(r["load_kind"], r.get("concurrency")) for r in rows] == [("closed", None)] * 3


def test_a_page_that_was_cut_off_is_a_sentence(catalog, tmp_path):
    page = (FOLDER / "benchmarks.html").read_text()
    with pytest.raises(BadFile, match="the figures of the page are not whole JSON"):
        imported(save(tmp_path, page[: len(page) // 2], "page.html"), catalog, BARE)


@pytest.mark.parametrize(
    ("profile", "strategy", "expected"),
    [
        ({"completed_strategies": [{"type_": "a"}, {"type_": "concurrent", "streams": 3}]}, "concurrent", (3.0, None)),
        ({"type_": "async", "rate": [1.0, 7.5]}, "poisson", (None, 7.5)),
        ({"type_": "throughput", "max_concurrency": 64}, "throughput", (64.0, None)),
        ("no profile", "synchronous", (1.0, None)),
    ],
)
def test_the_load_comes_from_the_profile(profile, strategy, expected, catalog, tmp_path):
    lines = list(csv.reader((FOLDER / "benchmarks.csv").read_text().splitlines()))
    header = list(zip(*lines[:3], strict=True))
    row = lines[3]
    row[header.index(("Run Info", "Profile", ""))] = json.dumps(profile)
    row[header.index(("Benchmark", "Strategy", ""))] = strategy
    path = tmp_path / "benchmarks.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines[:4])
    [point] = imported(path, catalog, BARE)
    assert (point.get("concurrency"), point.get("request_rate")) == expected


def test_a_row_that_its_header_does_not_fit_is_a_sentence(catalog, tmp_path):
    text = (FOLDER / "benchmarks_03.csv").read_text().rstrip() + ",more\n"
    with pytest.raises(BadFile, match=r"benchmark 2 has \d+ values under \d+ names; use the JSON report"):
        imported(save(tmp_path, text, "b.csv"), catalog, BARE)


def test_a_field_larger_than_the_reader_takes_is_a_sentence(catalog, tmp_path):
    text = (FOLDER / "benchmarks_03.csv").read_text().replace("sweep", "s" * 200_000)
    with pytest.raises(BadFile, match="is not a CSV table"):
        imported(save(tmp_path, text, "b.csv"), catalog, BARE)
