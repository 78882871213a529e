"""Every foreign format against exact values."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadConfig, BadFile, BadRows, ParetokenError, UnknownName
from paretoken.points.files import read_points, write_points
from paretoken.points.importers import FORMATS, complete
from paretoken.points.importers.document import parse
from paretoken.points.load import import_file
from tests.support.foreign import DATA, GIVEN, H100, load, save

FOREIGN = sorted(p for p in DATA.glob("*.json*"))
FORMAT_OF = {
    "vllm": "vLLM bench serve",
    "vllm_2024": "vLLM bench serve",
    "sglang": "SGLang bench_serving",
    "sglang_2024": "SGLang bench_serving",
    "sglang_servers": "SGLang bench_serving",
    "genaiperf": "GenAI-Perf",
    "genaiperf_old": "GenAI-Perf",
    "inferencex_agg": "InferenceX",
    "inferencex_headed_ms": "InferenceX",
    "inferencex_disagg": "InferenceX",
    "inferencex_dump": "InferenceX database",
    "aiperf": "AIPerf",
    "aiperf_old": "AIPerf",
    "guidellm_03": "GuideLLM",
    "guidellm_08": "GuideLLM",
}

EXPECTED = {
    ("vllm", 0): {
        "origin": "measured",
        "source": "vLLM bench serve",
        "source_ref": "vllm.json",
        "date": "2026-08-01",
        "notes": "3 of 100 requests failed",
        "accelerator": "H100",
        "engine": "vllm",
        "model": "llama-3-70b",
        "model_variant": "meta-llama/Llama-3.3-70B-Instruct",
        "n_gpus": 4,
        "tp": 4,
        "isl": 1024,
        "osl": 128,
        "mean_isl": 1000.0,
        "mean_osl": 100.0,
        "load_kind": "closed",
        "concurrency": 16.0,
        "request_rate": None,
        "total_tput_per_gpu_tok_s": 533.5,
        "input_tput_per_gpu_tok_s": 485.0,
        "output_tput_per_gpu_tok_s": 48.5,
        "mean_ttft_s": 0.21,
        "median_ttft_s": 0.2,
        "p99_ttft_s": 0.4,
        "median_tpot_s": 0.024,
        "p90_itl_s": 0.03,
        "p999_itl_s": 0.09,
        "median_e2e_s": 2.6,
        "p95_e2e_s": 3.5,
        "ttft_s": None,
        "precision": None,
    },
    ("sglang", 0): {
        "origin": "measured",
        "engine": "sglang",
        "engine_version": "0.5.3",
        "model": "qwen3-32b",
        "n_gpus": 2,
        "tp": 2,
        "ep": 1,
        "dp_attention": False,
        "isl": 1024,
        "osl": 512,
        "mean_isl": 1024.0,
        "mean_osl": 512.0,
        "load_kind": "closed",
        "concurrency": 32.0,
        "total_tput_per_gpu_tok_s": 3840.0,
        "input_tput_per_gpu_tok_s": 2560.0,
        "output_tput_per_gpu_tok_s": 1280.0,
        "median_e2e_s": 5.9,
        "p90_e2e_s": 7.0,
        "median_ttft_s": 0.15,
        "p95_ttft_s": 0.3,
        "p99_ttft_s": 0.35,
        "median_tpot_s": 0.011,
        "median_itl_s": 0.0105,
        "p99_itl_s": 0.033,
        "notes": None,
    },
    # `random_input_len` is only a default here: the data set is not the random one.
    ("sglang", 1): {
        "isl": 300,
        "osl": 200,
        "load_kind": "open",
        "request_rate": 4.0,
        "concurrency": None,
        "source_ref": "open",
        "notes": "1 of 200 requests failed; at most 64 requests in flight; "
        "queueing in the client is not in the latencies",
    },
    ("inferencex_agg", 0): {
        "origin": "published",
        "accelerator": "MI355X",
        "model": "deepseek-r1",
        "model_variant": "deepseek-ai/DeepSeek-R1-0528",
        "engine": "sglang",
        "engine_version": "rocm/sgl-dev:v0.5.5",
        "precision": "fp8",
        "speculative": "none",
        "n_gpus": 8,
        "tp": 8,
        "ep": 8,
        "dp_attention": False,
        "disaggregated": False,
        "multinode": False,
        "concurrency": 64.0,
        "total_tput_per_gpu_tok_s": 500.0,
        "output_tput_per_gpu_tok_s": 250.0,
        "median_ttft_s": 0.3,
        "median_tpot_s": 0.03,
        "p99_tpot_s": 0.05,
        "median_e2e_s": 28.0,
        "avg_power_w": 900.0,
        "joules_per_output_token": 3.6,
        "date": None,
    },
    # The heading says ms; TPOT x interactivity = 1 says seconds.
    ("inferencex_headed_ms", 0): {
        "engine": "trtllm",
        "precision": "fp4",
        "speculative": "none",
        "median_ttft_s": 0.08,
        "median_tpot_s": 0.008,
        "notes": "columns headed ms hold seconds",
        "disaggregated": None,
    },
    ("inferencex_headed_ms", 1): {"median_ttft_s": 0.08, "median_e2e_s": 9.1, "notes": None},
    ("inferencex_disagg", 0): {
        "accelerator": "GB200",
        "engine": "dynamo-trtllm",
        "speculative": "mtp",
        "disaggregated": True,
        "multinode": True,
        "n_gpus": 24,
        "tp": 16,
        "ep": 16,
        "dp_attention": False,
        "prefill_tp": 4,
        "prefill_ep": 4,
        "prefill_dp_attention": True,
        "total_tput_per_gpu_tok_s": 3000.0,
        "output_tput_per_gpu_tok_s": 500.0 * 16 / 24,
        "input_tput_per_gpu_tok_s": 8000.0 * 8 / 24,
        "output_tput_per_decode_gpu_tok_s": 500.0,
        "input_tput_per_prefill_gpu_tok_s": 8000.0,
        "prefill_workers": 2,
        "decode_workers": 1,
        "prefill_gpus": 8,
        "decode_gpus": 16,
        "joules_per_output_token": None,
        "notes": None,
    },
    # 4 GPUs in the table are TP x EP counted twice; the throughput is per GPU of TP.
    ("inferencex_dump", 0): {
        "source": "InferenceX database",
        "accelerator": "B200",
        "model": "llama-3-70b",
        "n_gpus": 2,
        "tp": 2,
        "ep": 2,
        "prefill_tp": None,
        "date": "2026-03-01",
        "concurrency": 32.0,
        "disaggregated": False,
        "output_tput_per_gpu_tok_s": 600.0,
        "median_tpot_s": 0.012,
        "engine_version": "vllm/vllm-openai:v0.12",
    },
    # 400 per decode GPU and 1,900 per prefill GPU do not make 1,000 per GPU.
    ("inferencex_dump", 1): {
        "engine": "mori-sglang",
        "n_gpus": 16,
        "disaggregated": True,
        "prefill_ep": 8,
        "total_tput_per_gpu_tok_s": 1000.0,
        "output_tput_per_gpu_tok_s": None,
        "input_tput_per_gpu_tok_s": None,
        "notes": "input and output throughput left out: it is not clear which GPUs they are per",
    },
    ("aiperf", 0): {
        "origin": "measured",
        "model": "gpt-oss-120b",
        "date": "2026-07-04",
        "source_ref": "bench-1",
        "isl": 1000,
        "osl": 500,
        "mean_isl": 1000.5,
        "mean_osl": 498.0,
        "load_kind": "closed",
        "concurrency": 10.0,
        "total_tput_per_gpu_tok_s": 750.0,
        "output_tput_per_gpu_tok_s": 250.0,
        "input_tput_per_gpu_tok_s": None,
        "median_e2e_s": 4.9,
        "p95_e2e_s": 6.4,
        "median_ttft_s": 0.12,
        "median_tpot_s": 0.0096,
        "mean_itl_s": 0.019,
        "notes": "5 of 100 requests failed; the run ended before it was complete",
    },
    ("aiperf_old", 0): {
        "model": "qwen3-8b",
        "isl": 550,
        "osl": 200,
        "load_kind": "open",
        "request_rate": 2.0,
        "median_ttft_s": 0.12,
        "median_tpot_s": None,
    },
    ("guidellm_03", 0): {
        "origin": "measured",
        "model": "llama-3.1-8b",
        "date": "2025-08-01",
        "isl": 512,
        "osl": 128,
        "mean_osl": 126.5,
        "load_kind": "closed",
        "concurrency": 8.0,
        "total_tput_per_gpu_tok_s": 1000.0,
        "output_tput_per_gpu_tok_s": 200.0,
        "median_ttft_s": 0.028,
        "median_tpot_s": 0.0099,
        "median_itl_s": None,
        "median_e2e_s": 1.25,
        "p999_e2e_s": 1.7,
        "notes": "10 of 100 requests failed; 2 requests cut off by the end",
    },
    ("guidellm_03", 1): {
        "isl": 512,
        "load_kind": "open",
        "request_rate": 2.5,
        "notes": "at most 512 requests in flight",
    },
    ("guidellm_08", 0): {
        "model": "qwen3-8b",
        "isl": 1000,
        "osl": 200,
        "mean_isl": 1001.0,
        "load_kind": "offline",
        "concurrency": None,
        "input_tput_per_gpu_tok_s": 1250.0,
        "total_tput_per_gpu_tok_s": 1500.0,
        "median_tpot_s": 0.008,
        "p999_ttft_s": 0.099,
        "median_e2e_s": 2.0,
    },
}


class TestEveryFormat:
    """What each importer must do, whatever its format."""

    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_exactly_one_detects(self, path):
        parsed = parse(path.read_text(encoding="utf-8"), path.name).parsed
        assert [f.NAME for f in FORMATS if f.detects(parsed)] == [FORMAT_OF[path.stem]]

    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_the_name_of_the_file_does_not_matter(self, path, catalog, tmp_path):
        twin = tmp_path / "anything.txt"
        twin.write_bytes(path.read_bytes())
        given = GIVEN.get(path.stem, {})
        one, other = (import_file(p, catalog=catalog, values=given)[0].drop("source_ref") for p in (twin, path))
        assert one.equals(other)

    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_points_survive_a_round_trip(self, path, catalog, tmp_path):
        points, errors = import_file(path, catalog=catalog, values=GIVEN.get(path.stem, {}))
        write_points(points, tmp_path / "p.parquet")
        assert errors == []
        assert read_points(tmp_path / "p.parquet")[0].equals(points)

    @pytest.mark.parametrize("bad", [None, "x", [], {"a": [1]}, -1, float("nan")], ids=repr)
    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_a_wrong_value_anywhere_is_a_sentence(self, path, bad, catalog, tmp_path, monkeypatch):
        # The check of the schema has tests of its own and would take most of the time.
        monkeypatch.setattr(complete, "checked", lambda frame, file, keep_going: (frame, []))
        parsed = parse(path.read_text(encoding="utf-8"), path.name).parsed
        for place in list(leaves(parsed)):
            twin = save(tmp_path, replaced(parsed, place, bad))
            try:
                import_file(twin, catalog=catalog, values=GIVEN.get(path.stem, {}))
            except ParetokenError as e:
                assert str(e)


def leaves(value: object, path: tuple = ()):
    """The path of every value in a document, branches first."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from leaves(child, (*path, key))


def replaced(document: object, path: tuple, value: object) -> object:
    twin = json.loads(json.dumps(document))
    branch = twin
    for key in path[:-1]:
        branch = branch[key]
    branch[path[-1]] = value
    return twin


@pytest.mark.parametrize(("stem", "row"), EXPECTED, ids=str)
def test_exact_values(stem, row, catalog):
    path = next(DATA.glob(f"{stem}.json*"))
    points, _ = import_file(path, catalog=catalog, values=GIVEN.get(stem, {}))
    assert points.height == sum(s == stem for s, _ in EXPECTED)
    got = points.row(row, named=True)
    for column, value in EXPECTED[stem, row].items():
        close = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        assert got[column] == close, column


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_concurrency": None}, {"load_kind": "offline", "concurrency": None}),
        ({"request_rate": 3.5, "max_concurrency": None}, {"load_kind": "open", "request_rate": 3.5}),
        ({"request_rate": 3.5}, {"load_kind": "open", "concurrency": None}),
        (
            {"ramp_up_strategy": "linear", "ramp_up_start_rps": 1, "ramp_up_end_rps": 9},
            {"load_kind": "open", "request_rate": None},
        ),
        ({"failed": None}, {"notes": "3 of 100 requests failed"}),
        ({"failed": 0}, {"notes": "3 of 100 requests failed"}),
        ({"random_input_len": None, "random_output_len": None}, {"isl": 1000, "osl": 100}),
        ({"accelerator": "H100", "n_gpus": "4"}, {"n_gpus": 4}),
    ],
)
def test_vllm_variants(change, expected, catalog, tmp_path):
    path = save(tmp_path, load("vllm") | change)
    points, _ = import_file(path, catalog=catalog, values=H100)
    assert {column: points[column][0] for column in expected} == expected


def test_the_backend_of_a_client_is_only_a_stand_in_for_the_engine(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"backend": "vllm"})
    given = {"accelerator": "H100", "n_gpus": 4}
    assert import_file(path, catalog=catalog, values=given)[0]["engine"][0] == "vllm"
    assert import_file(path, catalog=catalog, values=given | {"engine": "sglang"})[0]["engine"][0] == "sglang"


def test_given_lengths_win_over_rounded_means(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"random_input_len": None, "random_output_len": None})
    points, _ = import_file(path, catalog=catalog, values=H100 | {"isl": 1024, "osl": 128})
    assert (points["isl"][0], points["osl"][0], points["mean_isl"][0]) == (1024, 128, 1000.0)


def test_given_fills_what_the_file_leaves_open(catalog):
    given = H100 | {"precision": "bf16", "licence": "CC0", "source": "mine", "date": "2026-08-01", "notes": "rack 3"}
    points, _ = import_file(DATA / "vllm.json", catalog=catalog, values=given | {"origin": "published", "ep": None})
    row = points.row(0, named=True)
    assert [row[c] for c in ("precision", "licence", "source", "origin")] == ["bf16", "CC0", "mine", "published"]
    assert row["notes"] == "rack 3; 3 of 100 requests failed"


def test_a_given_model_names_what_the_catalog_does_not_know(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"model_id": "/models/our-finetune"})
    points, _ = import_file(path, catalog=catalog, values=H100 | {"model": "llama-3-70b"})
    assert (points["model"][0], points["model_variant"][0]) == ("llama-3-70b", "/models/our-finetune")


def test_quantised_copies_are_known_by_their_last_path_part(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"model_id": "/mnt/models/Qwen3-32B-FP8-dynamic/"})
    assert import_file(path, catalog=catalog, values=H100)[0]["model"][0] == "qwen3-32b"


class TestDump:
    """The database in a folder: five results, of which two are points, one of a model that the catalog lacks."""

    def test_bad_entries_are_named(self, catalog):
        with pytest.raises(BadRows, match=r"entry 2: is a failed run \(server died\).*and 2 more"):
            import_file(DATA / "inferencex_dump", catalog=catalog, values={})

    def test_good_ones_are_kept(self, catalog):
        points, errors = import_file(DATA / "inferencex_dump", catalog=catalog, values={}, keep_going=True)
        assert points["concurrency"][0] == 4.0
        assert points["model"][1] == "kimik9"
        assert [e.row for e in errors] == [2, 3, 5]
        for error, why in zip(errors, ("server died", "config_id 99", "agentic_traces"), strict=True):
            assert why in str(error)

    def test_rows_as_the_site_serves_them(self, catalog, tmp_path):
        dump = load("inferencex_dump")
        joined = [c | r for c, r in zip(dump["configs"], dump["benchmark_results"], strict=True)]
        given = {"source_ref": "s"}
        points, _ = import_file(save(tmp_path, joined), catalog=catalog, values=given)
        assert points.equals(import_file(DATA / "inferencex_dump.json", catalog=catalog, values=given)[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # Pool figures that already are per GPU of both pools add up as they stand.
        ({"output_tput_per_gpu": 1000.0, "input_tput_per_gpu": 2000.0}, (1000.0, 2000.0, 24)),
        ({"disagg": False}, (500.0 * 16 / 24, 8000.0 * 8 / 24, 24)),
        # Prefill workers alone: one pool, though the fields of two are there.
        (
            {
                "disagg": False,
                "num_decode_gpu": 0,
                "decode_num_workers": 0,
                "decode_tp": 0,
                "output_tput_per_gpu": 400.0,
                "input_tput_per_gpu": 2600.0,
            },
            (400.0, 2600.0, 8),
        ),
    ],
)
def test_denominators_of_pools(change, expected, catalog, tmp_path):
    points, _ = import_file(save(tmp_path, load("inferencex_disagg") | change), catalog=catalog, values={})
    got = points.select("output_tput_per_gpu_tok_s", "input_tput_per_gpu_tok_s", "n_gpus").row(0)
    assert got == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # One worker of TP 1 whose experts span 16 GPUs counts as 1 in the database.
        ({"decode_tp": 1, "num_decode_gpu": 1}, (8, 16, 24, 8000.0 * 8 / 24)),
        # One with attention spread over 16 GPUs, and no experts to tell: the throughputs do.
        (
            {"decode_tp": 1, "decode_ep": 1, "decode_dp_attention": "true", "num_decode_gpu": 1},
            (8, 16, 24, 8000.0 * 8 / 24),
        ),
        # Without them nothing does.
        (
            {
                "decode_tp": 1,
                "decode_ep": 1,
                "decode_dp_attention": "true",
                "num_decode_gpu": 1,
                "input_tput_per_gpu": None,
            },
            (8, None, None, None),
        ),
        # All 24 GPUs under each pool, no workers: counted once, and split as the throughputs say.
        (
            {
                "is_multinode": False,
                "prefill_num_workers": 0,
                "decode_num_workers": 0,
                "num_prefill_gpu": 24,
                "num_decode_gpu": 24,
                "decode_tp": 24,
                "prefill_tp": 24,
                "decode_ep": 1,
                "prefill_ep": 1,
            },
            (8, 16, 24, 8000.0 * 8 / 24),
        ),
    ],
)
def test_wrong_counts_of_pools(change, expected, catalog, tmp_path):
    row = {k: v for k, v in (load("inferencex_disagg") | change).items() if v is not None}
    points, _ = import_file(save(tmp_path, row), catalog=catalog, values={})
    got = points.select("prefill_gpus", "decode_gpus", "n_gpus", "input_tput_per_gpu_tok_s").row(0)
    assert got == pytest.approx(expected)
    if change.get("decode_tp") == 24:
        assert points.select("tp", "prefill_tp").row(0) == (None, None)


def test_the_first_version_has_its_lengths_in_the_file_name_only(catalog, tmp_path):
    row = {k: v for k, v in load("inferencex_agg").items() if k not in ("isl", "osl")}
    with pytest.raises(BadFile, match=r"does not state the input length or the output length; add --isl and --osl$"):
        import_file(save(tmp_path, row), catalog=catalog, values={})


def test_a_load_that_is_not_stated_is_told_by_its_users(catalog, tmp_path):
    run = {k: v for k, v in load("aiperf").items() if k != "input_config"} | {"model_id": "x"}
    given = H100 | {"model": "gpt-oss-120b", "isl": 1000, "osl": 500}
    with pytest.raises(BadFile, match=r"does not state the load; add --concurrency$"):
        import_file(save(tmp_path, run), catalog=catalog, values=given)
    points, _ = import_file(save(tmp_path, run), catalog=catalog, values=given | {"concurrency": 10})
    assert points.select("load_kind", "concurrency").row(0) == ("closed", 10.0)


def test_an_unknown_model_is_named_with_the_nearest(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"model_id": "qwen3-23b"})
    with pytest.raises(UnknownName, match="unknown model 'qwen3-23b': did you mean qwen3-"):
        import_file(path, catalog=catalog, values=H100)


class TestOwnSchema:
    """CSV and Parquet of this project."""

    def test_csv_is_read_and_filled(self, catalog):
        points, errors = import_file(DATA / "own.csv", catalog=catalog, values={"precision": "fp8", "tp": "8"})
        assert errors == []
        assert points.select("precision", "tp", "concurrency").rows() == [("fp8", 8, 16.0), ("fp8", 8, 32.0)]

    def test_names_become_ids(self, catalog, tmp_path):
        text = (DATA / "own.csv").read_text().replace("H100", "h100_sxm").replace("llama-3-70b", "Llama 3.1/3.3 70B")
        points, _ = import_file(save(tmp_path, text), catalog=catalog, values={"accelerator": "h100"})
        assert points.select("accelerator", "model").unique().row(0) == ("H100", "llama-3-70b")
        with pytest.raises(UnknownName, match="unknown engine 'vlm': did you mean"):
            import_file(save(tmp_path, text.replace(",vllm,", ",vlm,")), catalog=catalog, values={})

    def test_parquet(self, catalog, tmp_path):
        points, _ = import_file(DATA / "own.csv", catalog=catalog, values={})
        write_points(points, tmp_path / "own")
        assert import_file(tmp_path / "own", catalog=catalog, values={})[0].equals(points)

    def test_contradiction(self, catalog):
        with pytest.raises(BadConfig, match="says n_gpus is 8, but --n-gpus 4"):
            import_file(DATA / "own.csv", catalog=catalog, values={"n_gpus": 4})
