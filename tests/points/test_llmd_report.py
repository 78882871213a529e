"""llm-d reports: GPUs of instances and pools, units, and what a load generator means by its words."""

from __future__ import annotations

import pytest

from paretoken.errors import BadFile, BadRows
from paretoken.points.load import import_file
from tests.points.test_formats_a import read
from tests.support.foreign import replaced, save

ENGINE = ("scenario", "stack", 0, "standardized")
ACCELERATOR = (*ENGINE, "accelerator")
LATENCY = ("results", "request_performance", "aggregate", "latency")
TOOL = ("scenario", "load", "standardized", "tool")


def imported(changes, catalog, tmp_path, name="llmd_report/v0_2_1.json", **stated):
    document = read(name)
    for path, value in changes.items():
        document = replaced(document, path, value)
    return import_file(save(tmp_path, document), catalog=catalog, values=stated)[0].row(0, named=True)


@pytest.mark.parametrize(
    ("replicas", "count", "parallelism", "gpus"),
    [
        (2, 8, {"tp": 8}, 16),  # of one replica
        (2, 16, {"tp": 8}, 16),  # of both
        (1, 8, {"tp": 8, "dp": 1, "dp_local": 1, "workers": 1}, 8),
        (1, 8, {"tp": 1, "dp": 16, "dp_local": 8, "workers": 2}, 16),  # of one of two nodes
        (1, 16, {"tp": 1, "dp": 16, "dp_local": 8, "workers": 2}, 16),
        (3, 4, {"tp": 2, "pp": 2}, 12),
        (2, 4, None, 8),
    ],
)
def test_gpus_of_instances(replicas, count, parallelism, gpus, catalog, tmp_path):
    changes = {
        (*ENGINE, "replicas"): replicas,
        (*ACCELERATOR, "count"): count,
        (*ACCELERATOR, "parallelism"): parallelism,
    }
    assert imported(changes, catalog, tmp_path)["n_gpus"] == gpus


def test_a_count_of_0_is_not_stated_and_its_sizes_are_defaults(catalog, tmp_path):
    changes = {(*ACCELERATOR, "count"): 0}
    with pytest.raises(BadFile, match="does not state the number of GPUs; add --gpus"):
        imported(changes, catalog, tmp_path)
    row = imported(changes, catalog, tmp_path, n_gpus=4)
    assert (row["n_gpus"], row["tp"], row["ep"]) == (4, None, None)


def test_a_default_of_1_expert_parallel_is_no_statement(catalog, tmp_path):
    changes = {("scenario", "stack", 0, "native", "args"): {}}
    assert imported(changes, catalog, tmp_path)["ep"] == 1
    assert imported(changes, catalog, tmp_path, ep=8)["ep"] == 8


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        # mean ITL 9 ms, mean time per output token 9 ms; the medians tell them apart.
        ("inference-perf", (0.0088, 0.0085)),
        ("vllm-benchmark", (0.0088, 0.0085)),
        ("guidellm", (0.0085, None)),
        ("aiperf", (0.0085, None)),
    ],
)
def test_inter_token_latency_is_what_the_generator_means_by_it(tool, expected, catalog, tmp_path):
    row = imported({TOOL: tool}, catalog, tmp_path)
    assert (row["median_tpot_s"], row["median_itl_s"]) == expected


@pytest.mark.parametrize(("units", "seconds"), [("s", 1200.0), ("ms", 1.2), ("min", None), (None, None)])
def test_units_are_followed(units, seconds, catalog, tmp_path):
    changes = {(*LATENCY, "request_latency", "units"): units, (*LATENCY, "request_latency", "p50"): 1200.0}
    assert imported(changes, catalog, tmp_path)["median_e2e_s"] == seconds


@pytest.mark.parametrize(
    ("tool", "rate", "limit", "load"),
    [
        ("inference-perf", 400.0, 64, ("closed", 64.0, None)),
        ("inference-perf", 400.0, None, ("open", None, 400.0)),
        ("guidellm", None, 32, ("closed", 32.0, None)),
        ("guidellm", 3.0, "inf", ("open", None, 3.0)),
        ("vllm-benchmark", "inf", 16, ("closed", 16.0, None)),
        ("vllm-benchmark", 5.0, 16, ("open", None, 5.0)),
        ("vllm-benchmark", None, "inf", ("offline", None, None)),
        ("aiperf", None, 1000, ("closed", 640.0, None)),  # of 640 requests
    ],
)
def test_load(tool, rate, limit, load, catalog, tmp_path):
    standardized = TOOL[:-1]
    changes = {TOOL: tool, (*standardized, "rate_qps"): rate, (*standardized, "concurrency"): limit}
    row = imported(changes, catalog, tmp_path)
    assert (row["load_kind"], row["concurrency"], row["request_rate"]) == load


def test_kinds_of_errors_are_no_requests(catalog, tmp_path):
    row = imported({TOOL: "aiperf"}, catalog, tmp_path)
    assert row["error_rate"] is None
    assert "failed" not in row["notes"]


def test_different_accelerators_of_two_pools_are_asked_for(catalog, tmp_path):
    path = ("scenario", "stack", 0, "standardized", "accelerator", "model")
    with pytest.raises(BadFile, match="does not state the accelerator; add --accelerator"):
        imported({path: "H100"}, catalog, tmp_path, "llmd_report/v0_2_pools.yaml")


def test_a_stage_of_inference_perf_in_version_0_1(catalog, tmp_path):
    load = {
        "name": "inference-perf",
        "args": {"load": {"stages": [{"rate": 1.0}, {"rate": 2.0}]}},
        "metadata": {"stage": 1},
    }
    row = imported({("scenario", "load"): load}, catalog, tmp_path, "llmd_report/v0_1_pools.yaml")
    assert (row["load_kind"], row["request_rate"]) == ("open", 2.0)


def test_a_run_without_a_success_is_no_point(catalog, tmp_path):
    requests = {"total": 9, "failures": 9}
    with pytest.raises(BadRows, match="9 of 9 requests failed"):
        imported({(*LATENCY[:-1], "requests"): requests}, catalog, tmp_path)


REPORT = """version: '0.1'
scenario: {model: {name: qwen3-8b}, load: {name: vllm-benchmark, args: {max_concurrency: USERS}}}
metrics:
  requests: {input_length: {mean: 10}, output_length: {mean: 5}}
  latency: {}
  throughput: {total_tokens_per_sec: 100.0}
"""


def test_several_reports_in_one_file(catalog, tmp_path):
    text = "---\n".join(REPORT.replace("USERS", users) for users in ("1", "2"))
    stated = {"accelerator": "H200", "n_gpus": 1, "engine": "vllm"}
    points, _ = import_file(save(tmp_path, text, "r.yaml"), catalog=catalog, values=stated)
    assert points["concurrency"].to_list() == [1.0, 2.0]
