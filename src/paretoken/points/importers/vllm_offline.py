"""`vllm bench throughput` and `vllm bench latency` with `--output-json`: one object for each.

Throughput: all requests are given to the engine at once, so the load is offline; tokens per second are of prompts and
output together. Latency: one batch after another, so the load is a closed loop of the batch's size, and the seconds of
a batch are the E2E latency of its requests; neither states the model, the lengths or the batch's size.

The same figures in the form of PyTorch's benchmark database (`*.pytorch.json`, a record for each metric, also of
`vllm bench serve`) hold the arguments of the run, and with them what the plain files leave open.
"""

from __future__ import annotations

from paretoken.catalog.names import PRECISIONS, precision_id
from paretoken.points.importers import vllm
from paretoken.points.importers.figures import figure, merged, statistics
from paretoken.points.importers.reading import LevelReading, Parsed, dig, entries, first
from paretoken.points.server_config import kv_cache_dtype

NAME = "vLLM offline benchmark"
ORIGIN = "measured"
_THROUGHPUT = {"elapsed_time", "num_requests", "total_num_tokens", "tokens_per_second"}
_LATENCY = {"avg_latency", "percentiles"}


def detects(parsed: Parsed) -> bool:
    """Tokens per second of a batch job, seconds of a batch, or records of vLLM for PyTorch's database."""
    run = first(parsed)
    plain = run.keys() >= _THROUGHPUT or run.keys() >= _LATENCY
    return plain or (dig(run, "benchmark", "name") == "vLLM benchmark" and isinstance(run.get("metric"), dict))


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each object, or one for the records of a run."""
    if first(parsed).get("metric") is None:
        return [_reading(at, run, {}) for at, run in enumerate(entries(parsed), start=1)]
    run, arguments = _of_records(entries(parsed))
    if vllm.detects(run):
        return vllm.rows(run, file)
    return [_reading(1, run, arguments)]


def _of_records(records: list[dict[str, object]]) -> tuple[dict[str, object], object]:
    """The result as vLLM saves it, and the arguments of the run."""
    arguments = dig(records[0], "benchmark", "extra_info", "args")
    run: dict[str, object] = {"model_id": dig(records[0], "model", "name")}
    for record in records:
        more, name = dig(record, "metric", "extra_info"), str(dig(record, "metric", "name"))
        run |= more if isinstance(more, dict) else {}
        run[name] = dig(record, "metric", "benchmark_values", 0)
    for name in ("tensor_parallel_size", "request_rate", "max_concurrency", "num_prompts"):
        run.setdefault(name, dig(arguments, name))
    return run, arguments


def _reading(at: int, run: dict[str, object], arguments: object) -> LevelReading:
    offline = "tokens_per_second" in run
    stated = merged(_stated(arguments), {"load_kind": "offline"} if offline else _latency(run, arguments))
    totals = {"total": figure(run["tokens_per_second"])} if offline else {}
    return LevelReading(at, stated, totals, {"engine": "vllm"})


def _latency(run: dict[str, object], arguments: object) -> dict[str, object]:
    batch = figure(dig(arguments, "batch_size"))
    percentiles = run.get("percentiles")
    named = {f"p{key}": value for key, value in percentiles.items()} if isinstance(percentiles, dict) else {}
    load = {} if batch is None else {"load_kind": "closed", "concurrency": batch}
    return {**load, **statistics({**named, "mean": run.get("avg_latency")}, "e2e", 1.0)}


def _stated(arguments: object) -> dict[str, object]:
    precision = precision_id(str(dig(arguments, "quantization")))
    return {
        "model": dig(arguments, "model"),
        "tp": figure(dig(arguments, "tensor_parallel_size")),
        "isl": figure(dig(arguments, "input_len")),
        "osl": figure(dig(arguments, "output_len")),
        "precision": precision if precision in PRECISIONS else None,
        "kv_cache_dtype": kv_cache_dtype(dig(arguments, "kv_cache_dtype")),
    }
