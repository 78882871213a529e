"""Formats of load generators and engines against every value of a sample of each, and against broken ones.

Covers inference-perf, llm-d reports, console text, AIPerf's tables, aggregates and records, trtllm-bench and vLLM's
offline benchmarks and sweeps. What a module decides by itself has tests in modules of their own.
"""

from __future__ import annotations

import json
import random
import time
import tomllib

import pytest

from paretoken.errors import BadFile, ParetokenError
from paretoken.points.files import read_points, write_points
from paretoken.points.importers import FORMATS, TEXT_FORMATS, complete
from paretoken.points.importers.document import parse, yaml_of
from paretoken.points.load import import_file
from tests.support.foreign import DATA, leaves, replaced

GPUS = {"accelerator": "H200", "n_gpus": 2}
MODEL = {"model": "qwen3-8b", "engine": "vllm"}
# Sample -> the format that must take it, and what the user states.
SAMPLES = {
    "inference_perf/stage_rate.json": ("inference-perf", GPUS | MODEL),
    "inference_perf/run/stage_1_lifecycle_metrics.json": ("inference-perf", GPUS),
    "llmd_report/v0_1_pools.yaml": ("llm-d benchmark report", {}),
    "llmd_report/v0_2_pools.yaml": ("llm-d benchmark report", {}),
    "llmd_report/v0_2_1.json": ("llm-d benchmark report", {}),
    "console/vllm_2024.txt": ("bench serve console text", GPUS),
    "console/vllm_ladder.md": ("bench serve console text", GPUS),
    "console/sglang.log": ("bench serve console text", {"accelerator": "H200", "n_gpus": 8}),
    "aiperf_exports/aiperf.csv": ("AIPerf", MODEL | {"n_gpus": 2, "concurrency": 16}),
    "aiperf_exports/genai_perf.csv": ("AIPerf", GPUS | MODEL | {"concurrency": 20}),
    "aiperf_exports/sweep.json": ("AIPerf sweep", GPUS | MODEL),
    "aiperf_exports/sweep_trials.json": ("AIPerf sweep", GPUS | MODEL),
    "aiperf_exports/sweep.csv": ("AIPerf sweep", GPUS | MODEL | {"isl": 1000, "osl": 200}),
    "aiperf_exports/records.jsonl": ("AIPerf records", GPUS | MODEL | {"concurrency": 2}),
    "trtllm_bench/streaming.json": ("trtllm-bench", {}),
    "trtllm_bench/offline.json": ("trtllm-bench", {"accelerator": "H200"}),
    "vllm_offline/throughput.json": (
        "vLLM offline benchmark",
        GPUS | {"model": "qwen3-32b", "isl": 1000, "osl": 200},
    ),
    "vllm_offline/latency.json": (
        "vLLM offline benchmark",
        GPUS | {"model": "qwen3-32b", "isl": 32, "osl": 128, "concurrency": 8},
    ),
    "vllm_offline/latency.pytorch.json": ("vLLM offline benchmark", GPUS),
    "vllm_offline/throughput.pytorch.json": ("vLLM offline benchmark", GPUS),
    "vllm_offline/sweep.csv": ("vLLM bench sweep", GPUS),
}
LEFT_OUT = {
    "console/vllm_ladder.md": [(3, "40 of 40 requests failed")],
    "aiperf_exports/sweep.json": [(2, "no run of this combination succeeded")],
}
EXPECTED = tomllib.loads((DATA / "expected_a.toml").read_text(encoding="utf-8"))
DOCUMENTS = [name for name in SAMPLES if name.endswith((".json", ".jsonl", ".yaml"))]
TEXTS = [name for name in SAMPLES if name not in DOCUMENTS]
MOST_CPU_S = 10.0
"""Far above what a linear reader needs, far below what a quadratic one does."""


def read(name: str):
    text = (DATA / name).read_text(encoding="utf-8-sig")
    document = yaml_of(text, name) if name.endswith(".yaml") else parse(text, name)
    assert document is not None
    # As JSON has it: YAML's dates are text.
    return json.loads(json.dumps(document.parsed, default=str))


def test_every_sample_has_its_expected_rows():
    assert EXPECTED.keys() == SAMPLES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_every_column_is_exact(name, catalog):
    _, stated = SAMPLES[name]
    points, errors = import_file(DATA / name, catalog=catalog, values=stated, keep_going=True)
    rows = [{k: v for k, v in r.items() if v is not None and k not in stated} for r in points.iter_rows(named=True)]
    assert len(rows) == len(EXPECTED[name])
    for row, expected in zip(rows, EXPECTED[name], strict=True):
        assert row == {k: pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for k, v in expected.items()}
    assert [(e.row, why in str(e)) for e, (_, why) in zip(errors, LEFT_OUT.get(name, []), strict=True)] == [
        (row, True) for row, _ in LEFT_OUT.get(name, [])
    ]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_exactly_one_format_detects_a_document(name):
    assert [f.NAME for f in FORMATS if f.detects(read(name))] == [SAMPLES[name][0]]


@pytest.mark.parametrize("name", TEXTS)
def test_exactly_one_format_detects_a_text(name):
    text = (DATA / name).read_text(encoding="utf-8-sig")
    assert [f.NAME for f in TEXT_FORMATS if f.detects_text(text)] == [SAMPLES[name][0]]


@pytest.mark.parametrize("name", SAMPLES)
def test_points_survive_a_round_trip(name, catalog, tmp_path):
    points, _ = import_file(DATA / name, catalog=catalog, values=SAMPLES[name][1], keep_going=True)
    write_points(points, tmp_path / "p.parquet")
    assert read_points(tmp_path / "p.parquet")[0].equals(points)


@pytest.mark.parametrize("name", [n for n in SAMPLES if n != "inference_perf/run/stage_1_lifecycle_metrics.json"])
def test_neither_the_name_of_the_file_nor_its_line_ends_matter(name, catalog, tmp_path):
    twin = tmp_path / "anything.bin"
    twin.write_bytes((DATA / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    stated = SAMPLES[name][1]
    one, other = (
        import_file(p, catalog=catalog, values=stated, keep_going=True)[0].drop("source_ref")
        for p in (twin, DATA / name)
    )
    assert one.equals(other)


@pytest.mark.parametrize("bad", [None, "x", [], {"a": [1]}, -1, float("nan"), 1e308, True], ids=repr)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_wrong_value_anywhere_is_a_sentence(name, bad, catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(complete, "checked", lambda frame, file, keep_going: (frame, []))
    document = read(name)
    twin = tmp_path / "x.json"
    for place in list(leaves(document)):
        twin.write_text(json.dumps(replaced(document, place, bad)))
        attempt(twin, catalog, SAMPLES[name][1])


@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_bytes_are_a_sentence_in_short_time(name, catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(complete, "checked", lambda frame, file, keep_going: (frame, []))
    data, rng = (DATA / name).read_bytes(), random.Random(name)
    twin = tmp_path / "x"
    for _ in range(60):
        twin.write_bytes(mutated(data, rng))
        attempt(twin, catalog, SAMPLES[name][1])


HOSTILE_TEXTS = {
    "line ends": "\n" * 200_000,
    "equal signs": "=" * 200_000,
    "headlines": "=== Serving Benchmark Result ===\n" * 20_000,
    "open namespace": "Namespace(" + "a=" * 100_000 + "\n=== Serving Benchmark Result ===\n",
    "options": "vllm bench serve " + "--a " * 50_000 + "\nSuccessful requests: 1\nTotal generated tokens: 1\n",
    "quotes": "vllm bench serve --a '" * 10_000 + "\n=== Serving Benchmark Result ===\n",
    "continued lines": "vllm bench serve \\\n" * 50_000 + "=== Serving Benchmark Result ===\n",
    "wide table": "Metric,avg,min,max," + "p1," * 50_000 + "\nRequest Latency (ms)," + "1," * 50_000 + "\n",
    "open brackets": "Metric,avg,min,max,p1\n" + "Request Latency " + "(" * 100_000 + ",1,1,1,1\n",
    "many tables": "Metric,avg,min,max,p1\nRequest Latency (ms),1,1,1,1\n" + "Metric,Value\n" * 50_000,
}


@pytest.mark.parametrize("kind", HOSTILE_TEXTS)
def test_hostile_texts_take_no_time(kind, catalog, tmp_path):
    twin = tmp_path / "x.txt"
    twin.write_text(HOSTILE_TEXTS[kind])
    started = time.process_time()
    attempt(twin, catalog, GPUS | MODEL)
    assert time.process_time() - started < MOST_CPU_S


def attempt(path, catalog, stated):
    """Import a file; an error must be one of this project's, with words."""
    try:
        import_file(path, catalog=catalog, values=stated, keep_going=True)
    except ParetokenError as e:
        assert str(e)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with some of them cut off, doubled, exchanged, or with a foreign byte among them."""
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randrange(1, 200))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:start] or b"x"
    if kind == 1:
        return data[:end] + data[start:]
    if kind == 2:
        return data[:start] + data[end:] or b"x"
    if kind == 3:
        return data[:start] + bytes([rng.randrange(256)]) + data[start + 1 :]
    return (
        data[:start]
        + rng.choice([b"\n\n", b'"', b"{", b"]", b",", b"-1e999", b"nan", b"0", b"\x1b[31m"])
        + data[start:]
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("inference_perf/stage_rate.json", r"the accelerator, the model, the engine or the number of GPUs; add --acc"),
        (
            "console/vllm_2024.txt",
            r"does not state the accelerator or the number of GPUs; add --accelerator and --gpus",
        ),
        (
            "aiperf_exports/aiperf.csv",
            r"does not state the model, the engine, the load or the number of GPUs; add --model, --engine, --concurr",
        ),
        ("trtllm_bench/offline.json", r"does not state the accelerator; add --accelerator$"),
        ("vllm_offline/throughput.json", r"the accelerator, the model, the input length, the output length or the num"),
        ("vllm_offline/latency.json", r"the input length, the output length or the load; add"),
    ],
)
def test_what_a_file_does_not_state_is_asked_for(name, words, catalog):
    with pytest.raises(BadFile, match=words):
        import_file(DATA / name, catalog=catalog, values={}, keep_going=True)
