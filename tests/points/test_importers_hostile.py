"""Every bad input of the importers against its sentence."""

from __future__ import annotations

import pytest

from paretoken.errors import BadConfig, BadFile, BadRows
from paretoken.points.load import import_file
from tests.support.foreign import DATA, GIVEN, H100, load, save


@pytest.mark.parametrize(
    ("stem", "given", "words"),
    [
        ("vllm", H100 | {"tp": 8}, "says tp is 4, but --tp 8 was given"),
        ("vllm", H100 | {"isl": 2048}, "says isl is 1024, but --isl 2048 was given"),
        ("vllm", H100 | {"model": "qwen3-8b"}, "says model is meta-llama/Llama-3.3-70B-Instruct, but --model qwen3-8b"),
        ("inferencex_agg", {"accelerator": "H100"}, "says accelerator is mi355x, but --accelerator H100"),
        ("inferencex_agg", {"n_gpus": 4}, "says n_gpus is 8, but --n-gpus 4"),
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
        ({"accelerator": "H100", "engine": "vllm"}, "does not state the number of GPUs; add --n-gpus$"),
        (
            {},
            "does not state the accelerator, the engine or the number of GPUs; "
            "add --accelerator, --engine and --n-gpus$",
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
