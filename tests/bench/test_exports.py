"""Exports in other tools' forms, read back by our own importers."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime

import orjson
import pytest

from paretoken.bench.exports import FORMATS, export
from paretoken.bench.plan import Closed, Open
from paretoken.bench.stats.level_summary import LevelTimes
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, UnknownName
from paretoken.points.load import import_file
from tests.support.levels import S, closed, opened

COLUMNS = {
    "accelerator": "h200",
    "model": "llama-3-70b",
    "engine": "vllm",
    "isl": 100,
    "osl": 50,
    "tp": 8,
    "ep": 1,
    "precision": "fp8",
    "engine_version": "0.33.0",
    "date": "2026-08-01",
}
BEGAN = datetime(2026, 8, 1, 9, 30).timestamp()  # noqa: DTZ001  local time, as vLLM writes it
ABOUT = LevelContext(columns=COLUMNS, times=LevelTimes(t0_unix_s=BEGAN), n_gpus=8)
FIGURES = (
    "total_tput_per_gpu_tok_s",
    "input_tput_per_gpu_tok_s",
    "output_tput_per_gpu_tok_s",
    *(f"{s}_{m}_s" for m in ("ttft", "tpot", "itl", "e2e") for s in ("mean", "median", "p90", "p95", "p99")),
)


@pytest.fixture(scope="module")
def measured():
    records = closed(8, 60.0, tpot=lambda rng, t: 0.02 * rng.lognormal(0, 0.1), stagger_s=0.1)
    return summarise(records, Closed(8), ABOUT)


@pytest.fixture(scope="module")
def measured_open():
    records = opened(20.0, 40.0, service_s=0.5, servers=40)
    return summarise(records, Open(records["due_ns"].to_numpy() / S, 20.0), ABOUT)


def read_back(tmp_path, document, **values):
    path = tmp_path / "result.json"
    path.write_bytes(orjson.dumps(document))
    table, errors = import_file(path, catalog=load_catalog(), values=values)
    assert not errors and table.height == 1
    return table.row(0, named=True)


def test_inferencex_comes_back_as_the_same_point(measured, tmp_path):
    point = measured.point
    row = read_back(tmp_path, export("inferencex", measured))
    for name in (*FIGURES, "concurrency", "isl", "osl", "tp", "n_gpus", "precision", "engine", "model", "load_kind"):
        assert row[name] == pytest.approx(point[name]), name
    assert row["origin"] == "published"  # the format is a publication's; the importer's --origin says otherwise


def test_requests_outside_the_window_come_back_as_no_failures(measured, tmp_path):
    assert measured.throughput.window.requests < measured.errors.requests
    row = read_back(tmp_path, export("vllm", measured))
    assert (row["error_rate"], row["notes"]) == (0.0, None)
    failing = replace(measured, errors=replace(measured.errors, failed=5))
    document = export("vllm", failing)
    assert document["num_prompts"] == document["completed"] + 5
    assert read_back(tmp_path, document)["notes"].startswith("5 of ")


def test_vllm_comes_back_as_the_same_point(measured, tmp_path):
    point = measured.point
    row = read_back(tmp_path, export("vllm", measured))
    for name in ("concurrency", "isl", "osl", "tp", "n_gpus", "engine", "load_kind"):
        assert row[name] == point[name], name
    for name in FIGURES:
        assert row[name] == pytest.approx(point[name], rel=1e-4), name
    for name in ("mean_isl", "mean_osl"):  # tokens that arrived over requests that ended: cut at the window's edges
        assert row[name] == pytest.approx(point[name], rel=0.01), name
    assert row["origin"] == "measured" and row["date"] == "2026-08-01"


def test_vllm_holds_an_open_loop(measured_open, tmp_path):
    point = measured_open.point
    row = read_back(tmp_path, export("vllm", measured_open))
    assert (row["load_kind"], row["request_rate"], row["concurrency"]) == ("open", 20.0, None)
    assert row["median_ttft_s"] == pytest.approx(point["median_ttft_s"])


@pytest.mark.parametrize(
    ("arrivals", "burstiness"), [("poisson", 1.0), ("constant", "inf"), ("gamma:0.5", 0.5), ("trace", None)]
)
def test_vllm_names_how_bursty_the_arrivals_were(measured_open, arrivals, burstiness):
    summary = replace(measured_open, config={"arrivals": arrivals}, run=LevelTimes(t0_unix_s=1.0e9))
    made = export("vllm", summary)
    assert made["burstiness"] == burstiness
    assert made["date"] == time.strftime("%Y%m%d-%H%M%S", time.localtime(1.0e9))


def test_inferencex_has_no_place_for_an_open_loop(measured_open):
    with pytest.raises(BadConfig, match="closed loops"):
        export("inferencex", measured_open)


def test_the_names_are_those_of_vllm(measured):
    exported = export("vllm", measured)
    names = {
        "mean_ttft_ms",
        "median_ttft_ms",
        "std_ttft_ms",
        "p99_ttft_ms",
        "mean_tpot_ms",
        "p99_itl_ms",
        "mean_e2el_ms",
    }
    totals = {"duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "mean_e2el_ms"}
    kept = {"request_goodput", "output_throughput", "total_token_throughput", "max_concurrency", "request_rate", "date"}
    assert names | totals | kept <= exported.keys()
    assert exported["date"] == "20260801-093000"
    assert exported["mean_ttft_ms"] == pytest.approx(1000 * measured.point["mean_ttft_s"])


def test_the_whole_run_counts_as_the_other_tool_would(measured):
    summary = measured
    exported = export("vllm", measured, over="whole_run")
    assert exported["completed"] == summary.errors.ok
    assert exported["total_output_tokens"] == 50 * summary.errors.ok
    assert exported["output_throughput"] < summary.throughput.window.output_tok_s


def test_the_slow_tail_of_interactivity_goes_out_as_such(measured):
    exported = export("inferencex", measured)
    assert exported["p99_intvty"] == pytest.approx(1 / exported["p99_tpot"])
    assert exported["p99_intvty"] < exported["median_intvty"]
    assert "std_intvty" not in exported


def test_quantiles_that_the_samples_do_not_support_are_left_out():
    exported = export("vllm", summarise(closed(4, 20.0), Closed(4), ABOUT))
    assert "p99_ttft_ms" not in exported and "p90_ttft_ms" in exported


def test_every_form_is_json_and_an_unknown_one_is_named(measured):
    for form in FORMATS:
        json.loads(orjson.dumps(export(form, measured)))
    with pytest.raises(UnknownName, match="inferencex"):
        export("inferencemax", measured)
