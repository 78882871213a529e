"""Every bad input of the importers against its sentence."""

from __future__ import annotations

import json
from itertools import cycle, pairwise

import pytest

from paretoken.errors import BadConfig, BadFile, BadRows, ParetokenError
from paretoken.points.importers import FORMATS, TEXT_FORMATS, complete
from paretoken.points.importers.document import parse, text_of
from paretoken.points.load import import_file
from tests.support.exact_rows import BARE
from tests.support.foreign import DATA, GIVEN, H100, leaves, load, replaced, save

JSON_SAMPLES = {
    "llmperf/summary.json": "llmperf",
    "llama_bench/bench.jsonl": "llama-bench",
    "llama_batched_bench/bench.jsonl": "llama-batched-bench",
    "llama_benchy/report.json": "llama-benchy",
    "mlperf/result_summary.json": "MLPerf Endpoints",
    "genai_bench/D100_1000_text-to-text_num_concurrency_8_time_60s.json": "genai-bench",
    "evalscope/runs/parallel_4_number_40/benchmark_summary.json": "EvalScope",
    "evalscope/runs/parallel_4_number_40/benchmark_percentile.json": "EvalScope",
    "evalscope/old/benchmark_summary.json": "EvalScope",
}
TEXT_SAMPLES = {
    "llama_bench/bench.csv": "llama-bench",
    "llama_bench/bench.md": "llama-bench",
    "llama_batched_bench/bench.md": "llama-batched-bench",
    "llama_benchy/report.csv": "llama-benchy",
    "llama_benchy/report.md": "llama-benchy",
    "guidellm/benchmarks.csv": "GuideLLM",
    "guidellm/benchmarks_03.csv": "GuideLLM",
    "guidellm/benchmarks.html": "GuideLLM",
    "guidellm/benchmarks_03.html": "GuideLLM",
    "mlperf/server.txt": "MLPerf LoadGen",
    "mlperf/offline.txt": "MLPerf LoadGen",
    "lmdeploy/profile_throughput.csv": "LMDeploy",
    "lmdeploy/profile_generation.csv": "LMDeploy",
    "lmdeploy/profile_pipeline_api.csv": "LMDeploy",
    "dstack/online.csv": "dstack benchmarks",
    "dstack/offline.csv": "dstack benchmarks",
}
MODEL = {"model": "qwen3-8b"}
UNSTATED = {
    "llmperf": BARE,
    "llama_bench": {},
    "llama_batched_bench": MODEL | {"accelerator": "H100", "n_gpus": 2},
    "llama_benchy": BARE,
    "guidellm": BARE,
    "mlperf": BARE | MODEL | {"isl": 100},
    "genai_bench": BARE | MODEL,
    "evalscope": BARE | MODEL,
    "lmdeploy": BARE | MODEL,
    "dstack": MODEL | {"n_gpus": 8},
}
"""What the samples of each folder leave open."""


@pytest.mark.parametrize(
    ("stem", "given", "words"),
    [
        ("vllm", H100 | {"tp": 8}, "says tp is 4, but --tp 8 was given"),
        ("vllm", H100 | {"isl": 2048}, "says isl is 1024, but --isl 2048 was given"),
        ("vllm", H100 | {"model": "qwen3-8b"}, "says model is meta-llama/Llama-3.3-70B-Instruct, but --model qwen3-8b"),
        ("inferencex_agg", {"accelerator": "H100"}, "says accelerator is mi355x, but --accelerator H100"),
        ("inferencex_agg", {"n_gpus": 4}, "says n_gpus is 8, but --gpus 4"),
        ("vllm", {"acelerator": "H100"}, "unknown column 'acelerator'; did you mean 'accelerator'?"),
    ],
)
def test_given_that_contradicts(stem, given, words, catalog):
    with pytest.raises(BadConfig, match=words):
        import_file(DATA / f"{stem}.json", catalog=catalog, values=given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"engine": "vllm", "n_gpus": 4}, "vllm.json does not state the accelerator; add --accelerator$"),
        ({"accelerator": "H100", "engine": "vllm"}, "does not state the number of GPUs; add --gpus$"),
        (
            {},
            "does not state the accelerator, the engine or the number of GPUs; add --accelerator, --engine and --gpus$",
        ),
    ],
)
def test_what_is_missing_is_one_sentence(given, words, catalog):
    with pytest.raises(BadFile, match=words):
        import_file(DATA / "vllm.json", catalog=catalog, values=given)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"total_token_throughput": 3, "du', "is not whole JSON .*truncated"),
        ('{\n "total_token_throughput": 3,\n "du', "is not whole JSON .*line 3.*truncated"),
        ('{"a": 1}', "an unknown format; known: vLLM bench serve, SGLang bench_serving, InferenceX, .*GuideLLM"),
        ("a,b\n1,2\n", "an unknown format"),
        ("hello", "an unknown format"),
        ("[]", "holds no JSON object"),
        ("[1, 2]", "is not a whole JSON object"),
        ("", "is empty"),
        ('[{"config_id": 1, "metrics": {}}]', "benchmark_results without configs"),
    ],
)
def test_bad_files(content, words, catalog, tmp_path):
    with pytest.raises(BadFile, match=words):
        import_file(save(tmp_path, content), catalog=catalog, values={})


def test_bytes_that_are_no_text(catalog, tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"{\xff\xfe")
    with pytest.raises(BadFile, match="neither text nor Parquet"):
        import_file(path, catalog=catalog, values={})


def test_a_missing_file_and_a_folder_without_tables(catalog, tmp_path):
    with pytest.raises(BadFile, match="does not exist"):
        import_file(tmp_path / "none.json", catalog=catalog, values={})
    with pytest.raises(BadFile, match=r"folder without configs\.json and benchmark_results.json"):
        import_file(tmp_path, catalog=catalog, values={})


@pytest.mark.parametrize(
    ("change", "column", "why"),
    [
        ({"median_ttft_ms": -3}, "median_ttft_s", "must be above 0"),
        ({"total_token_throughput": -1.0}, "total_tput_per_gpu_tok_s", "must be above 0"),
        ({"total_token_throughput": "fast"}, "total_tput_per_gpu_tok_s", "is not a number"),
        ({"max_concurrency": "many"}, "concurrency", "is not a number"),
    ],
)
def test_bad_figures_are_placed(change, column, why, catalog, tmp_path):
    path = save(tmp_path, load("vllm") | change)
    with pytest.raises(BadRows, match=why) as caught:
        import_file(path, catalog=catalog, values=H100)
    assert [(e.row, e.column) for e in caught.value.errors] == [(1, column)]
    points, errors = import_file(path, catalog=catalog, values=H100, keep_going=True)
    assert points.is_empty()
    assert errors == caught.value.errors


class TestBrokenLine:
    """A line of JSON lines that was cut off, between good ones."""

    @pytest.fixture
    def path(self, tmp_path):
        lines = (DATA / "sglang.jsonl").read_text().splitlines()
        return save(tmp_path, "\n".join([lines[0], lines[1][:100], "", lines[1]]) + "\n", "runs.jsonl")

    def test_is_an_error_with_its_line(self, path, catalog):
        with pytest.raises(BadRows, match=r"runs\.jsonl: row 2, column line: .*is not a whole JSON object") as caught:
            import_file(path, catalog=catalog, values=GIVEN["sglang"])
        assert [e.row for e in caught.value.errors] == [2]

    def test_is_left_out_and_reported_when_asked(self, path, catalog):
        points, errors = import_file(path, catalog=catalog, values=GIVEN["sglang"], keep_going=True)
        assert points["load_kind"].to_list() == ["closed", "open"]
        assert [(e.row, e.column) for e in errors] == [(2, "line")]

    def test_later_errors_keep_their_line(self, path, catalog):
        path.write_text(path.read_text().replace('"median_ttft_ms": 90.0', '"median_ttft_ms": -90.0'))
        points, errors = import_file(path, catalog=catalog, values=GIVEN["sglang"], keep_going=True)
        assert points.height == 1
        assert [(e.row, e.column) for e in errors] == [(2, "line"), (4, "median_ttft_s")]


class TestShapes:
    """Samples of every format with something wrong in any one place."""

    @pytest.fixture(autouse=True)
    def _without_the_check(self, monkeypatch):
        # The check of the schema has tests of its own and would take most of the time.
        monkeypatch.setattr(complete, "checked", lambda frame, file, keep_going: (frame, []))

    @pytest.mark.parametrize(("sample", "name"), JSON_SAMPLES.items())
    def test_exactly_one_format_detects_json(self, sample, name):
        parsed = parse((DATA / sample).read_text(), sample).parsed
        assert [f.NAME for f in FORMATS if f.detects(parsed)] == [name]

    @pytest.mark.parametrize(("sample", "name"), TEXT_SAMPLES.items())
    def test_exactly_one_format_detects_text(self, sample, name):
        text = text_of((DATA / sample).read_bytes(), sample)
        assert [f.NAME for f in TEXT_FORMATS if f.detects_text(text)] == [name]

    @pytest.mark.parametrize("sample", JSON_SAMPLES)
    def test_a_wrong_value_anywhere_is_a_sentence(self, sample, catalog, tmp_path):
        parsed = parse((DATA / sample).read_text(), sample).parsed
        for place, bad in zip(list(leaves(parsed)), cycle([None, "x", [], {"a": [1]}, -1]), strict=False):
            self.read_or_refuse(save(tmp_path, replaced(parsed, place, bad)), sample, catalog)

    @pytest.mark.parametrize("sample", TEXT_SAMPLES)
    def test_a_wrong_word_anywhere_is_a_sentence(self, sample, catalog, tmp_path):
        text = (DATA / sample).read_text()
        words = list(pairwise(at for at, letter in enumerate(text) if letter in ",|:\n"))
        for (start, end), bad in zip(
            words[:: max(1, len(words) // 80)], cycle(["", "-", "x", "-1", "1e400", '"', "["]), strict=False
        ):
            self.read_or_refuse(save(tmp_path, text[: start + 1] + bad + text[end:], "x.txt"), sample, catalog)

    @pytest.mark.parametrize("sample", [*JSON_SAMPLES, *TEXT_SAMPLES])
    def test_a_file_that_was_cut_off_is_a_sentence(self, sample, catalog, tmp_path):
        text = (DATA / sample).read_text()
        for end in range(0, len(text), max(1, len(text) // 20)):
            self.read_or_refuse(save(tmp_path, text[:end], "x.txt"), sample, catalog)

    @pytest.mark.parametrize("sample", TEXT_SAMPLES)
    def test_line_ends_and_byte_order_marks_change_nothing(self, sample, catalog, tmp_path):
        text = (DATA / sample).read_text()
        path = tmp_path / "x.txt"
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        values = UNSTATED[sample.split("/")[0]]
        one, other = (import_file(p, catalog=catalog, values=values)[0] for p in (path, DATA / sample))
        assert one.drop("source_ref").equals(other.drop("source_ref"))

    @pytest.mark.parametrize("line", ["|-|", "|a|b|", "{", "window.benchmarks = [", "a,b"])
    def test_very_many_lines_are_read_once(self, line, catalog, tmp_path):
        self.read_or_refuse(save(tmp_path, "text\n" + f"{line}\n" * 50_000, "x.txt"), "", catalog)

    @pytest.mark.parametrize(
        ("sample", "old", "new"),
        [
            ("mlperf/server.txt", "19800.00", "1e308"),
            ("mlperf/server.txt", ": 99.00", ": 1e-300"),
            ("llama_bench/bench.jsonl", '"n_prompt": 1024', '"n_prompt": 1.7e308'),
            ("llama_bench/bench.jsonl", '"n_gen": 128', '"n_gen": 1.7e308'),
            ("llama_batched_bench/bench.jsonl", '"pl": 4', '"pl": 1.7e308'),
            ("llama_benchy/report.json", "40.0", "5e-324"),
            ("lmdeploy/profile_throughput.csv", "5.000", "5e-324"),
        ],
    )
    def test_figures_out_of_all_bounds(self, sample, old, new, catalog, tmp_path):
        self.read_or_refuse(save(tmp_path, (DATA / sample).read_text().replace(old, new), "x.txt"), sample, catalog)

    @staticmethod
    def read_or_refuse(path, sample, catalog) -> None:
        try:
            import_file(path, catalog=catalog, values=UNSTATED.get(sample.split("/")[0], {}), keep_going=True)
        except ParetokenError as e:
            assert str(e)


def test_half_a_character_is_no_traceback(catalog, tmp_path):
    points, _ = import_file(
        save(tmp_path, load("vllm") | {"model_id": "Qwen/Qwen3-8B-\ud800"}), catalog=catalog, values=H100 | MODEL
    )
    assert points["model_variant"][0] == "Qwen/Qwen3-8B-?"


def test_nested_deeply_is_no_traceback(catalog, tmp_path):
    deep = '{"results": ' * 300 + "1" + "}" * 300
    flat = json.loads((DATA / "llmperf" / "summary.json").read_text())
    text = json.dumps(flat)[:-1] + f', "extra": {deep}}}'
    points, _ = import_file(save(tmp_path, text), catalog=catalog, values=BARE)
    assert points.height == 1
