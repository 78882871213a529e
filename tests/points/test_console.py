"""Console text of benchmark clients: generations of labels, where the settings come from, and what is no result."""

from __future__ import annotations

import pytest

from paretoken.errors import BadRows
from paretoken.points.load import import_file
from tests.support.foreign import DATA, save

STATED = {"accelerator": "H200", "n_gpus": 2, "model": "qwen3-8b", "engine": "vllm", "isl": 100, "osl": 10}
RESULT = """============ Serving Benchmark Result ============
Successful requests:                     10
Benchmark duration (s):                  10.00
Total input tokens:                      1000
Total generated tokens:                  100
Output token throughput (tok/s):         10.00
Total Token throughput (tok/s):          110.00
Median TTFT (ms):                        50.00
==================================================
"""


def rows(text, catalog, tmp_path, **stated):
    path = save(tmp_path, text, "log.txt")
    return list(import_file(path, catalog=catalog, values=STATED | stated)[0].iter_rows(named=True))


@pytest.mark.parametrize(
    ("before", "inside", "load"),
    [
        # The result itself says both, or that there is none.
        ("", "Maximum request concurrency:  4\nFailed requests: 0\n", ("closed", 4.0, None)),
        ("", "Request rate configured (RPS):  2.50\nFailed requests: 0\n", ("open", None, 2.5)),
        ("", "Failed requests: 0\n", ("offline", None, None)),
        ("", "Traffic request rate: inf\nMax request concurrency: 8\n", ("closed", 8.0, None)),
        ("", "Traffic request rate: inf\nMax request concurrency: not set\n", ("offline", None, None)),
        ("", "Traffic request rate: trace\nMax request concurrency: not set\n", ("open", None, None)),
        # Older clients print them before it, or only in their arguments.
        ("Traffic request rate: inf\nMaximum request concurrency: 6\n", "", ("closed", 6.0, None)),
        ("Traffic request rate: 3.0\nMaximum request concurrency: None\n", "", ("open", None, 3.0)),
        ("Namespace(backend='vllm', request_rate=inf, max_concurrency=5)\n", "", ("closed", 5.0, None)),
        ("Namespace(backend='vllm', request_rate=inf, max_concurrency=None)\n", "", ("offline", None, None)),
        ("python3 benchmark_serving.py --request-rate 7 --model x\n", "", ("open", None, 7.0)),
        ("vllm bench serve \\\n  --max-concurrency 3 \\\n  --model x\n", "", ("closed", 3.0, None)),
        ("vllm bench serve --max-concurrency=3 --ignore-eos\n", "", ("closed", 3.0, None)),
        # The last command counts, and forgets the options of the one before.
        (
            "vllm bench serve --max-concurrency 3\nvllm bench serve --request-rate 2\n",
            "",
            ("open", None, 2.0),
        ),
        # A run of 10 requests never has more than 10 at once.
        ("", "Maximum request concurrency:  64\nFailed requests: 0\n", ("closed", 10.0, None)),
    ],
)
def test_load(before, inside, load, catalog, tmp_path):
    text = before + RESULT.replace("Benchmark duration", inside + "Benchmark duration")
    [row] = rows(text, catalog, tmp_path)
    assert (row["load_kind"], row["concurrency"], row["request_rate"]) == load


@pytest.mark.parametrize(
    "text",
    [
        RESULT.replace("============ Serving Benchmark Result ============\n", ""),
        RESULT.replace("==================================================\n", ""),
        RESULT.replace("============ Serving Benchmark Result ============", "## Serving Benchmark Result"),
        "\n".join(f"[2026-08-01 10:00:00] (client pid=3) {line}" for line in RESULT.splitlines()),
        "\n".join(f"> {line}" for line in RESULT.splitlines()),
        "\n".join(f"\x1b[32m{line}\x1b[0m" for line in RESULT.splitlines()),
        f"```\n{RESULT}```\n",
        "100%|####| 10/10 [00:10<00:00]\r" + RESULT.replace("\n", "\r\n"),
        RESULT.replace("Total Token throughput", "Total token throughput").replace("1000", "1,000"),
    ],
)
def test_forms_of_a_pasted_result(text, catalog, tmp_path):
    [row] = rows(text, catalog, tmp_path, concurrency=4)
    got = row["total_tput_per_gpu_tok_s"], row["input_tput_per_gpu_tok_s"], row["median_ttft_s"], row["mean_isl"]
    assert got == (55.0, 50.0, 0.05, 100.0)


@pytest.mark.parametrize(
    ("line", "column", "value"),
    [
        ("Mean E2E Latency (ms):  1500.00", "mean_e2e_s", 1.5),
        ("Median E2EL (ms):  1400.00", "median_e2e_s", 1.4),
        ("P99.9 ITL (ms):  90.00", "p999_itl_s", 0.09),
        ("P95 TPOT (ms):  21.00", "p95_tpot_s", 0.021),
        ("P90 TTFT (s):  0.09", "p90_ttft_s", 0.09),
        ("P50 TPOT (ms):  19.00", "median_tpot_s", 0.019),
        ("Mean TPOT (ms):  nan", "mean_tpot_s", None),
        ("Mean TPOT (ms):  0.00", "mean_tpot_s", None),
        ("Max ITL (ms):  500.00", "p99_itl_s", None),
        ("Acceptance length:  2.50", "acceptance_length", 2.5),
        ("Accept length:  2.40", "acceptance_length", 2.4),
        ("Peak output token throughput (tok/s):  900.00", "output_tput_per_gpu_tok_s", 5.0),
        ("Peak concurrent requests:  12.00", "concurrency", 4.0),
        ("Input token throughput (tok/s):  99.80", "input_tput_per_gpu_tok_s", 49.9),
        ("Backend:  sglang-oai-chat", "source", "SGLang bench_serving"),
    ],
)
def test_labels(line, column, value, catalog, tmp_path):
    [row] = rows(RESULT.replace("Median TTFT", f"{line}\nMedian TTFT"), catalog, tmp_path, concurrency=4)
    assert row[column] == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("vllm serve Qwen/Qwen3-32B -tp 4\n", {"model": "qwen3-32b", "tp": 4, "engine": "vllm"}),
        (
            "python -m sglang.launch_server --model-path Qwen/Qwen3-32B --tp 2\n",
            {"model": "qwen3-32b", "tp": 2, "engine": "sglang"},
        ),
        (
            "server_args=ServerArgs(model_path='Qwen/Qwen3-32B', tp_size=8)\n",
            {"model": "qwen3-32b", "tp": 8, "engine": "sglang"},
        ),
        (
            "Namespace(backend='vllm', model='Qwen/Qwen3-32B', dataset_name='sharegpt', random_input_len=1024)\n",
            {"model": "qwen3-32b", "engine": "vllm", "isl": 100, "tp": None},
        ),
        (
            "Namespace(backend='openai-chat', model='Qwen/Qwen3-32B', dataset_name='random', random_input_len=128)\n"
            "vllm serve Qwen/Qwen3-32B\n",
            {"model": "qwen3-32b", "engine": "vllm", "isl": 128},
        ),
    ],
)
def test_settings_before_the_result(before, expected, catalog, tmp_path):
    path = save(tmp_path, before + RESULT, "log.txt")
    points, _ = import_file(path, catalog=catalog, values={"accelerator": "H200", "n_gpus": 8, "concurrency": 4})
    assert points.select(*expected).row(0, named=True) == expected


def test_settings_hold_for_the_results_after_them(catalog, tmp_path):
    first, second = (f"Namespace(model='m', num_prompts=10, request_rate=inf, max_concurrency={n})\n" for n in (2, 4))
    got = rows(first + RESULT + RESULT + second + RESULT, catalog, tmp_path)
    assert [row["concurrency"] for row in got] == [2.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            RESULT.replace("requests:                     10", "requests: 0\nFailed requests: 7"),
            "7 of 7 requests failed",
        ),
        (RESULT.replace("token throughput", "image").replace("Token throughput", "image"), "no tokens per second"),
    ],
)
def test_no_point(text, words, catalog, tmp_path):
    with pytest.raises(BadRows, match=words):
        rows(text, catalog, tmp_path, concurrency=4)


def test_a_log_that_opens_with_a_bracket_is_no_json(catalog):
    points, _ = import_file(
        DATA / "console" / "sglang.log", catalog=catalog, values={"accelerator": "H200", "n_gpus": 8}
    )
    assert points.height == 2
