"""What the readers of load generators and engines decide by themselves, rule by rule."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadRows
from paretoken.points.importers.figures import figure, merged, statistics
from paretoken.points.load import import_file
from tests.points.test_formats_a import GPUS, MODEL, SAMPLES, read
from tests.support.foreign import DATA, replaced, save


def imported(name, changes, catalog, tmp_path, **more):
    document = read(name)
    for path, value in changes.items():
        document = replaced(document, path, value)
    stated = SAMPLES[name][1] | more
    return import_file(save(tmp_path, document), catalog=catalog, values=stated)[0].row(0, named=True)


class TestFigures:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, None),
            ("0.00", None),
            (None, None),
            ("N/A", None),
            (float("nan"), None),
            (True, None),
            ("1,234.5", 1234.5),
        ],
    )
    def test_a_statistic_of_0_or_in_words_is_none(self, value, expected):
        assert figure(value) == expected

    def test_statistics_by_any_of_their_names(self):
        block = {"avg": 10, "p50": 9, "p90": 0, "p99": None, "p99p9": 20, "std": 1}
        expected = {"mean_ttft_s": 0.01, "median_ttft_s": 0.009, "p999_ttft_s": 0.02}
        assert statistics(block, "ttft", 1e-3) == pytest.approx(expected)

    def test_notes_are_joined_once(self):
        assert merged({"notes": "a", "tp": 1}, {"notes": "a"}, {"notes": "b", "tp": None}) == {"tp": 1, "notes": "a; b"}


class TestInferencePerf:
    NAME = "inference_perf/stage_rate.json"

    @pytest.mark.parametrize(
        ("summary", "load"),
        [
            ({"concurrency": 8, "requested_rate": 99.0}, ("closed", 8.0, None)),
            ({"requested_rate": 2.5}, ("open", None, 2.5)),
        ],
    )
    def test_load(self, summary, load, catalog, tmp_path):
        row = imported(self.NAME, {("load_summary",): summary}, catalog, tmp_path)
        assert (row["load_kind"], row["concurrency"], row["request_rate"]) == load

    def test_a_summary_of_all_stages_states_no_load(self, catalog, tmp_path):
        changes = {("load_summary",): {"count": 610}}
        row = imported(self.NAME, changes, catalog, tmp_path, request_rate=7.5)
        assert (row["load_kind"], row["request_rate"]) == ("open", 7.5)

    def test_gaps_within_chunks_are_no_itl(self, catalog, tmp_path):
        changes = {("successes", "latency", "inter_token_latency", "median"): 0.00004}
        row = imported(self.NAME, changes, catalog, tmp_path)
        assert row["mean_itl_s"] is row["p99_itl_s"] is None
        assert "ITL left out" in row["notes"]
        assert row["p99_tpot_s"] == 0.015

    def test_without_streaming_there_is_e2e_alone(self, catalog, tmp_path):
        names = ("time_to_first_token", "time_per_output_token", "inter_token_latency")
        row = imported(self.NAME, {("successes", "latency", n): None for n in names}, catalog, tmp_path)
        assert (row["median_e2e_s"], row["median_ttft_s"], row["mean_tpot_s"]) == (2.4, None, None)

    def test_no_success(self, catalog, tmp_path):
        changes = {("successes", "count"): 0, ("failures", "count"): 5}
        with pytest.raises(BadRows, match="5 of 5 requests failed"):
            imported(self.NAME, changes, catalog, tmp_path)

    @pytest.mark.parametrize("text", ["", "a: [", "- 1", "server: 3", "\x00"])
    def test_a_broken_configuration_beside_the_report_is_not_read(self, text, catalog, tmp_path):
        (tmp_path / "config.yaml").write_text(text)
        assert imported(self.NAME, {}, catalog, tmp_path)["isl"] == 800


class TestAiperf:
    CSV = (DATA / "aiperf_exports" / "aiperf.csv").read_text(encoding="utf-8")

    def rows(self, text, catalog, tmp_path, **stated):
        path = save(tmp_path, text, "x.csv")
        values = MODEL | {"n_gpus": 2, "concurrency": 16} | stated
        return import_file(path, catalog=catalog, values=values)[0].row(0, named=True)

    def test_gpus_of_two_kinds_name_no_accelerator(self, catalog, tmp_path):
        row = self.rows(self.CSV.replace("1,H200", "1,B200"), catalog, tmp_path, accelerator="B200")
        assert row["accelerator"] == "B200"
        assert row["avg_power_w"] is None

    def test_the_user_knows_the_accelerator_better_than_the_exporter(self, catalog, tmp_path):
        assert self.rows(self.CSV, catalog, tmp_path, accelerator="B200")["accelerator"] == "B200"

    def test_total_from_requests_and_lengths(self, catalog, tmp_path):
        text = self.CSV.replace("Total Token Throughput (tokens/sec),5002.00\n", "")
        assert self.rows(text, catalog, tmp_path)["total_tput_per_gpu_tok_s"] == (4 * 1000.5 + 1000) / 2

    @pytest.mark.parametrize(("unit", "seconds"), [("ms", 2.65), ("sec", 2650.0), ("us", 0.00265), ("hours", None)])
    def test_units(self, unit, seconds, catalog, tmp_path):
        text = self.CSV.replace("Request Latency (ms)", f"Request Latency ({unit})")
        assert self.rows(text, catalog, tmp_path)["median_e2e_s"] == (
            None if seconds is None else pytest.approx(seconds)
        )

    def test_statistics_of_all_runs_together(self, catalog, tmp_path):
        metrics = read("aiperf_exports/sweep_trials.json")["per_combination_metrics"][0]["metrics"]
        metadata = {"aggregation_type": "confidence", "num_profile_runs": 5, "num_successful_runs": 5}
        path = save(tmp_path, {"schema_version": "1.0", "metadata": metadata, "metrics": metrics})
        row = import_file(path, catalog=catalog, values=GPUS | MODEL | {"concurrency": 3})[0].row(0, named=True)
        assert (row["concurrency"], row["p99_e2e_s"], row["notes"]) == (3.0, 3.9, "mean over 5 runs")

    def test_records_of_failed_requests_alone(self, catalog, tmp_path):
        failed = read("aiperf_exports/records.jsonl")[-1]
        path = save(tmp_path, "\n".join([json.dumps(failed)] * 2), "r.jsonl")
        with pytest.raises(BadRows, match="2 of 2 requests failed"):
            import_file(path, catalog=catalog, values=GPUS | MODEL | {"concurrency": 3})

    def test_times_of_records_in_nanoseconds(self, catalog, tmp_path):
        records = read("aiperf_exports/records.jsonl")
        for record in records:
            if latency := record["metrics"].get("request_latency"):
                latency |= {"value": latency["value"] * 1e6, "unit": "ns"}
        path = save(tmp_path, "\n".join(map(json.dumps, records)), "r.jsonl")
        stated = SAMPLES["aiperf_exports/records.jsonl"][1]
        points, _ = import_file(path, catalog=catalog, values=stated)
        assert points["p90_e2e_s"][0] == pytest.approx(2.8)


class TestTrtllmBench:
    NAME = "trtllm_bench/streaming.json"

    @pytest.mark.parametrize(
        ("quantisation", "dtype", "precision"),
        [
            ("FP8", "bfloat16", "fp8"),
            ("NVFP4", "bfloat16", "fp4"),
            ("FP8_BLOCK_SCALES", "bfloat16", "fp8"),
            ("W4A16_AWQ", "float16", "int4"),
            ("W4A8_AWQ", "float16", "int4"),
            (None, "bfloat16", "bf16"),
            ("None", "float16", "bf16"),
            ("MIXED_PRECISION", "bfloat16", None),
        ],
    )
    def test_precision_of_the_weights(self, quantisation, dtype, precision, catalog, tmp_path):
        changes = {("engine", "quantization"): quantisation, ("engine", "dtype"): dtype}
        changes |= {("engine", "model"): "Qwen/Qwen3-8B"}
        assert imported(self.NAME, changes, catalog, tmp_path)["precision"] == precision

    def test_the_user_knows_the_limit(self, catalog, tmp_path):
        assert imported(self.NAME, {}, catalog, tmp_path, concurrency=64)["concurrency"] == 64

    def test_all_sent_before_a_mean_one_ended_is_offline(self, catalog, tmp_path):
        # 1,000 requests 4 µs or 6 ms apart, of 5 s each.
        for issue_rate, kind in ((4e12, "offline"), (6e15, "closed"), (None, "closed")):
            row = imported(self.NAME, {("world_info", "issue_rate"): issue_rate}, catalog, tmp_path)
            assert row["load_kind"] == kind

    def test_old_reports_hold_means(self, catalog, tmp_path):
        changes = {
            ("streaming_metrics",): {"avg_ttft_ms": 200.0, "avg_tpot_ms": 20.0, "itl_percentiles": {"p50": 19.0}}
        }
        row = imported(self.NAME, changes, catalog, tmp_path)
        got = (row["mean_ttft_s"], row["median_ttft_s"], row["mean_tpot_s"], row["median_tpot_s"], row["median_itl_s"])
        assert got == pytest.approx((0.2, None, 0.02, 0.019, None))

    def test_a_report_without_drafts_is_of_plain_decoding_unless_the_user_knows_better(self, catalog, tmp_path):
        name = "trtllm_bench/offline.json"
        assert imported(name, {}, catalog, tmp_path)["speculative"] == "none"
        assert imported(name, {}, catalog, tmp_path, speculative="mtp")["speculative"] == "mtp"


class TestVllm:
    def test_records_of_a_served_run(self, catalog, tmp_path):
        args = {"model": "Qwen/Qwen3-32B", "request_rate": "inf", "max_concurrency": 16, "num_prompts": 80}
        run = {
            "backend": "vllm",
            "duration": 100.0,
            "completed": 80,
            "total_input_tokens": 80_000,
            "total_output_tokens": 40_000,
            "output_throughput": 400.0,
            "total_token_throughput": 1200.0,
            "tensor_parallel_size": 2,
        }
        records = [
            {
                "benchmark": {"name": "vLLM benchmark", "extra_info": {"args": args}},
                "model": {"name": "Qwen/Qwen3-32B"},
                "metric": {"name": name, "benchmark_values": [value], "extra_info": run},
            }
            for name, value in (("median_ttft_ms", 200.0), ("mean_tpot_ms", 20.0))
        ]
        points, _ = import_file(save(tmp_path, records), catalog=catalog, values=GPUS)
        columns = ("model", "tp", "concurrency", "median_ttft_s", "mean_tpot_s", "total_tput_per_gpu_tok_s", "isl")
        assert points.select(columns).row(0) == ("qwen3-32b", 2, 16.0, 0.2, 0.02, 600.0, 1000)

    def test_a_summary_of_a_sweep_as_json_is_a_list_of_results(self, catalog, tmp_path):
        runs = [
            {"run_number": n, "model_id": "qwen3-32b", "backend": "vllm", "max_concurrency": 4, "request_rate": "inf"}
            | {"completed": 8, "duration": 1.0, "total_input_tokens": 80, "total_output_tokens": 40}
            | {"output_throughput": 40.0, "total_token_throughput": 120.0}
            for n in range(2)
        ]
        points, _ = import_file(save(tmp_path, runs), catalog=catalog, values=GPUS)
        assert points["output_tput_per_gpu_tok_s"].to_list() == [20.0, 20.0]

    def test_cells_that_pandas_left_empty_or_made_fractions(self, catalog, tmp_path):
        text = (DATA / "vllm_offline" / "sweep.csv").read_text(encoding="utf-8")
        twin = save(tmp_path, text.replace(",1000,500\n", ",1000.0,500.0\n").replace(",30.0,", ",,"), "s.csv")
        points, _ = import_file(twin, catalog=catalog, values=GPUS)
        assert points["isl"].to_list() == [1000, 1000]
        assert points["mean_tpot_s"].to_list() == [0.02, None]


def test_a_table_of_this_project_with_a_wrong_column_is_still_its_own(catalog, tmp_path):
    text = (DATA / "own.csv").read_text(encoding="utf-8").replace("accelerator", "acelerator", 1)
    with pytest.raises(Exception, match="unknown column 'acelerator'; did you mean 'accelerator'"):
        import_file(save(tmp_path, text, "own.csv"), catalog=catalog, values={})
