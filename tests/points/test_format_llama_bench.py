"""llama.cpp's benchmarks: tests of one sequence paired to points, and batches of sequences."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadFile, BadRows
from paretoken.points.importers import gguf, llama_tests
from tests.support.exact_rows import DATA, assert_row, imported
from tests.support.foreign import save

FOLDER = DATA / "llama_bench"
APART = "prompt and generation timed apart, without sampling"
EMPTY = "generation from an empty context"
BOTH_GPUS = {
    "origin": "measured",
    "source": "llama-bench",
    "accelerator": "H100",
    "n_gpus": 2,
    "tp": 2,
    "engine": "llamacpp",
    "engine_version": "b7000",
    "model": "qwen3-8b",
    "model_variant": "Qwen3-8B-Q4_K_M-00001-of-00002.gguf",
    "precision": "q4_k_m",
    "kv_cache_dtype": "q8_0",
    "speculative": "none",
    "date": "2026-08-01",
    "load_kind": "closed",
    "concurrency": 1.0,
}
EXPECTED = {
    ("bench.jsonl", 0): {
        **BOTH_GPUS,
        "source_ref": "pp1024 and tg128 @ d1024 and pp1024+tg128",
        "notes": APART,
        "isl": 1024,
        "osl": 128,
        "mean_ttft_s": 0.2,
        "median_ttft_s": 0.19,
        "mean_tpot_s": 0.011,
        "median_tpot_s": 0.011,
        "mean_e2e_s": 1.6,
        "median_e2e_s": 1.6,
        "total_tput_per_gpu_tok_s": 1152 / 1.6 / 2,
    },
    ("bench.jsonl", 1): {
        **BOTH_GPUS,
        "source_ref": "pp256+tg32",
        "notes": None,
        "isl": 256,
        "osl": 32,
        "mean_e2e_s": 0.4,
        "median_e2e_s": 0.4,
        "total_tput_per_gpu_tok_s": 288 / 0.4 / 2,
    },
    ("bench.csv", 0): {
        "accelerator": "H100",
        "n_gpus": 1,
        "tp": 1,
        "model": "qwen3-8b",
        "precision": "bf16",
        "kv_cache_dtype": "fp16",
        "engine_version": "b7000",
        "date": "2026-08-02",
        "source_ref": "pp512 and tg64, n_threads 8",
        "notes": f"{APART}; {EMPTY}",
        "isl": 512,
        "osl": 64,
        "mean_ttft_s": 0.064,
        "mean_tpot_s": 0.02,
        "total_tput_per_gpu_tok_s": None,
    },
    ("bench.csv", 1): {"source_ref": "pp512 and tg64, n_threads 16", "mean_ttft_s": 0.128, "mean_tpot_s": 0.04},
    ("bench.md", 0): {
        "accelerator": "H100",
        "n_gpus": 1,
        "model": "qwen3-8b",
        "model_variant": "qwen3 8B Q4_K - Medium",
        "precision": "q4_k",
        "engine": "llamacpp",
        "engine_version": "b5163",
        "source_ref": "pp512 and tg128 @ d512 and pp512+tg128",
        "isl": 512,
        "osl": 128,
        "mean_ttft_s": 512 / 8000,
        "mean_tpot_s": 1 / 160,
        "mean_e2e_s": 640 / 500,
        "total_tput_per_gpu_tok_s": 500.0,
    },
}


@pytest.mark.parametrize(("file", "at"), EXPECTED, ids=str)
def test_exact_values(file, at, catalog):
    rows = imported(FOLDER / file, catalog, {})
    assert len(rows) == sum(f == file for f, _ in EXPECTED)
    assert_row(rows[at], EXPECTED[file, at])


def test_json_is_json_lines_in_a_list(catalog, tmp_path):
    lines = [json.loads(line) for line in (FOLDER / "bench.jsonl").read_text().splitlines()]
    twin = save(tmp_path, lines, "bench.jsonl")
    assert imported(twin, catalog, {}) == imported(FOLDER / "bench.jsonl", catalog, {})


def entry(**change) -> dict:
    return json.loads((FOLDER / "bench.jsonl").read_text().splitlines()[0]) | change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"split_mode": "none"}, {"n_gpus": 1, "tp": 1}),
        ({"split_mode": "layer"}, {"n_gpus": 2, "tp": None}),
        ({"devices": "CUDA1"}, {"n_gpus": 1}),
        ({"gpu_info": "NVIDIA H100/NVIDIA H100/NVIDIA H100"}, {"n_gpus": 3}),
        ({"type_v": "f16"}, {"kv_cache_dtype": None}),
        ({"model_filename": "/m/ggml-model-f32.gguf", "model_type": "qwen3 8B all F32"}, {"precision": "fp32"}),
        ({"avg_ns": 0, "avg_ts": 512.0, "samples_ns": []}, {"mean_ttft_s": 2.0, "median_ttft_s": None}),
    ],
)
def test_what_an_entry_says_of_the_machine(change, expected, catalog, tmp_path):
    given = {"osl": 128, **({"model": "qwen3-8b"} if "model_type" in change else {})}
    [row] = imported(save(tmp_path, [entry(**change)]), catalog, given)
    assert {column: row.get(column) for column in expected} == expected


def test_a_run_on_the_cpu_names_it(catalog, tmp_path):
    # The processor has the name of an accelerator that the catalog holds.
    one = entry(gpu_info="NVIDIA H100", n_gpu_layers=0, cpu_info="NVIDIA H200")
    [row] = imported(save(tmp_path, [one]), catalog, {"osl": 128})
    assert row["accelerator"] == "H200"
    assert "n_gpus" not in row


def test_a_quantised_word_gives_way_to_the_precision_of_the_user(catalog):
    assert {r["precision"] for r in imported(FOLDER / "bench.jsonl", catalog, {"precision": "int4"})} == {"int4"}


class TestPairs:
    """Which tests make a point."""

    @staticmethod
    def timed(*names: tuple[int, int, int]) -> list[llama_tests.LlamaTest]:
        return [
            llama_tests.LlamaTest(at=at, prompt=p, generated=g, depth=d, mean_s=1.0)
            for at, (p, g, d) in enumerate(names, start=1)
        ]

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            ([(512, 0, 0), (0, 128, 0)], ["pp512 and tg128"]),
            ([(512, 0, 0), (1024, 0, 0), (0, 128, 0)], ["pp512 and tg128", "pp1024 and tg128"]),
            ([(512, 0, 0), (0, 64, 0), (0, 128, 0)], ["pp512 and tg64", "pp512 and tg128"]),
            ([(512, 0, 0), (0, 128, 0), (0, 128, 512)], ["pp512 and tg128 @ d512"]),
            ([(512, 0, 0), (0, 128, 0), (0, 128, 4096)], ["pp512 and tg128", "tg128 @ d4096"]),
            ([(512, 0, 4096), (0, 128, 4096)], ["tg128 @ d4096"]),
            ([(512, 128, 0)], ["pp512+tg128"]),
            ([(512, 0, 0)], ["pp512"]),
            ([(0, 128, 0)], ["tg128"]),
            ([(512, 0, 4096)], []),
        ],
    )
    def test_points(self, names, expected):
        readings = [p.reading(set()) for p in llama_tests.points_of(self.timed(*names))]
        assert [r.stated["source_ref"] for r in readings] == expected

    def test_a_prompt_at_a_depth_is_no_point(self, catalog, tmp_path):
        with pytest.raises(BadRows, match="pp1024 @ d512 times neither a whole prompt nor a generation"):
            imported(save(tmp_path, [entry(n_depth=512)]), catalog, {})

    @pytest.mark.parametrize(
        ("change", "words"),
        [({}, "does not state the output length; add --osl"), ({"n_prompt": 0, "n_gen": 8}, "the input length")],
    )
    def test_half_a_point_asks_for_the_other_length(self, change, words, catalog, tmp_path):
        with pytest.raises(BadFile, match=words):
            imported(save(tmp_path, [entry(**change)]), catalog, {})

    def test_very_many_pairs_are_refused(self, catalog, tmp_path):
        prompts = [entry(n_prompt=n) for n in range(1, 201)]
        generations = [entry(n_prompt=0, n_gen=n) for n in range(1, 201)]
        with pytest.raises(BadFile, match="400 tests of one configuration"):
            imported(save(tmp_path, prompts + generations), catalog, {})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("models/7B/Qwen2.5-7B-Instruct-Q4_K_M.gguf", ("Qwen2.5-7B-Instruct", "q4_k_m")),
        ("gpt-oss-20b-MXFP4.gguf", ("gpt-oss-20b", "fp4")),
        (r"C:\m\qwen3-8b-q8_0.gguf", ("qwen3-8b", "q8_0")),
        ("Qwen3-30B-A3B-UD-Q2_K_XL-00001-of-00002.gguf", ("Qwen3-30B-A3B", "q2_k_xl")),
        ("Llama-3.1-8B-IQ3_XXS.gguf", ("Llama-3.1-8B", "iq3_xxs")),
        ("llama-3.1-8b.gguf", ("llama-3.1-8b", None)),
    ],
)
def test_names_of_files(path, expected):
    model, file, precision = gguf.of_file(path)
    assert (model, precision) == expected
    assert path.endswith(file)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("qwen2 7B Q4_K - Medium", ("qwen2 7B", "q4_k")),
        ("llama 7B mostly Q4_0", ("llama 7B", "q4_0")),
        ("qwen3moe 30B.A3B Q6_K", ("qwen3moe 30B.A3B", "q6_k")),
        ("gpt-oss 20B MXFP4 MoE", ("gpt-oss 20B", "fp4")),
        ("llama 8B BF16", ("llama 8B", "bf16")),
        ("llama 8B", ("llama 8B", None)),
    ],
)
def test_names_of_types(words, expected):
    model, _, precision = gguf.of_type(words)
    assert (model, precision) == expected


BATCH = {
    "source": "llama-batched-bench",
    "engine": "llamacpp",
    "speculative": "none",
    "isl": 512,
    "osl": 128,
    "load_kind": "closed",
    "concurrency": 4.0,
    "mean_ttft_s": 0.2,
    "mean_tpot_s": 1.8 / 128,
    "mean_e2e_s": 2.0,
    "input_tput_per_gpu_tok_s": 2048 / 2.0 / 2,
    "output_tput_per_gpu_tok_s": 512 / 2.0 / 2,
    "total_tput_per_gpu_tok_s": 2560 / 2.0 / 2,
    "notes": "one static batch, without sampling",
}
BATCHED = {"accelerator": "H100", "n_gpus": 2, "model": "qwen3-8b"}


class TestBatched:
    """llama-batched-bench: all sequences start at once."""

    @pytest.mark.parametrize("file", ["bench.jsonl", "bench.md"])
    def test_exact_values(self, file, catalog):
        assert_row(imported(DATA / "llama_batched_bench" / file, catalog, BATCHED)[0], BATCH)

    def test_a_shared_prompt_counts_no_input(self, catalog):
        shared = imported(DATA / "llama_batched_bench" / "bench.jsonl", catalog, BATCHED)[1]
        assert shared["output_tput_per_gpu_tok_s"] == 1024 / 2.0 / 2
        assert not {"input_tput_per_gpu_tok_s", "total_tput_per_gpu_tok_s"} & shared.keys()
        assert shared["notes"] == "one static batch, without sampling; prompt shared by all sequences"
