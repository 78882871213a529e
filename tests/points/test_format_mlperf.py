"""MLPerf: LoadGen's summaries and the reports of Endpoints."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadRows
from tests.support.exact_rows import BARE, DATA, assert_row, imported
from tests.support.foreign import save

FOLDER = DATA / "mlperf"
MODEL = BARE | {"model": "qwen3-8b"}
EXPECTED = {
    "server.txt": {
        "origin": "measured",
        "source": "MLPerf LoadGen",
        "source_ref": "PySUT Server",
        "notes": "MLPerf counts the run as INVALID; not met: performance constraints",
        "isl": 1000,
        # The rate of samples leaves out the last one, so this length only stands in.
        "osl": 200,
        "mean_osl": None,
        "load_kind": "open",
        "request_rate": 104.0,
        "output_tput_per_gpu_tok_s": 9900.0,
        "mean_ttft_s": 0.9,
        "median_ttft_s": 0.8,
        "p90_ttft_s": 1.4,
        "p95_ttft_s": 1.5,
        "p99_ttft_s": 1.7,
        "p999_ttft_s": 2.2,
        "mean_tpot_s": 0.042,
        "median_tpot_s": 0.04,
        "p90_tpot_s": 0.046,
        "p95_tpot_s": 0.05,
        "p99_tpot_s": 0.064,
        "mean_e2e_s": 9.0,
        "median_e2e_s": 8.0,
        "p90_e2e_s": 12.0,
        "p95_e2e_s": 14.0,
        "p99_e2e_s": 18.0,
        "p999_e2e_s": 20.0,
    },
    "offline.txt": {
        "source_ref": "PySUT Offline",
        "notes": None,
        "load_kind": "offline",
        "request_rate": None,
        "osl": 275,
        "mean_osl": 275.0,
        "output_tput_per_gpu_tok_s": 16500.0,
        "mean_e2e_s": 300.0,
        "median_e2e_s": 290.0,
        "p90_e2e_s": 540.0,
    },
    "result_summary.json": {
        "source": "MLPerf Endpoints",
        "notes": "10 of 200 requests failed",
        "error_rate": 0.05,
        "load_kind": "closed",
        "concurrency": 16.0,
        "isl": 1000,
        "osl": 250,
        "mean_isl": 1000.0,
        "mean_osl": 250.0,
        "output_tput_per_gpu_tok_s": 791.6667 / 2,
        "mean_ttft_s": 0.2,
        "median_ttft_s": 0.18,
        "p90_ttft_s": 0.3,
        "p95_ttft_s": 0.35,
        "p99_ttft_s": 0.5,
        "p999_ttft_s": 0.8,
        "mean_tpot_s": 0.011,
        "median_tpot_s": 0.01,
        "p90_tpot_s": 0.013,
        "p99_tpot_s": 0.018,
        "mean_e2e_s": 2.7,
        "median_e2e_s": 2.6,
        "p99_e2e_s": 4.0,
    },
}


@pytest.mark.parametrize("file", EXPECTED)
def test_exact_values(file, catalog):
    [row] = imported(FOLDER / file, catalog, MODEL | ({} if file.endswith("json") else {"isl": 1000}))
    assert_row(row, EXPECTED[file])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("time to output token", "time per output token", {"median_tpot_s": 0.04}),
        ("Time to Output Token", "Time per Output Token", {"mean_tpot_s": 0.042}),
        ("Scenario : Server", "Scenario : Interactive", {"load_kind": "open", "request_rate": 104.0}),
        ("Scenario : Server", "Scenario : SingleStream", {"load_kind": "closed", "concurrency": 1.0}),
        ("Result is : INVALID", "Result is : VALID", {"notes": None}),
    ],
)
def test_spellings_of_versions_and_scenarios(old, new, expected, catalog, tmp_path):
    text = (FOLDER / "server.txt").read_text().replace(old, new)
    [row] = imported(save(tmp_path, text, "mlperf_log_summary.txt"), catalog, MODEL | {"isl": 1000})
    assert {column: row.get(column) for column in expected} == expected


def test_an_accuracy_run_is_no_point(catalog, tmp_path):
    text = (FOLDER / "server.txt").read_text().replace("PerformanceOnly", "AccuracyOnly")
    with pytest.raises(BadRows, match="is an accuracy run"):
        imported(save(tmp_path, text, "mlperf_log_summary.txt"), catalog, MODEL)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"type": "poisson", "target_qps": 3.5}, {"load_kind": "open", "request_rate": 3.5}),
        ({"type": "max_throughput", "target_qps": 3.5}, {"load_kind": "offline", "request_rate": None}),
    ],
)
def test_loads_of_endpoints(pattern, expected, catalog, tmp_path):
    report = json.loads((FOLDER / "result_summary.json").read_text()) | {"run_config": {"load_pattern": pattern}}
    [row] = imported(save(tmp_path, report), catalog, MODEL)
    assert {column: row.get(column) for column in expected} == expected


def test_an_incomplete_run_says_so(catalog, tmp_path):
    report = json.loads((FOLDER / "result_summary.json").read_text()) | {"complete": False, "n_samples_failed": 0}
    [row] = imported(save(tmp_path, report), catalog, MODEL)
    assert (row["notes"], row["error_rate"]) == ("the run is incomplete", 0.0)
