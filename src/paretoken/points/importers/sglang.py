"""SGLang `bench_serving` JSON lines: one object for each run, appended to the same file.

The versions of 2024 name latencies in milliseconds without a unit (`median_ttft`); until spring 2025 none states the
total throughput. Later ones keep what the server says of itself under `server_info`.
"""

from __future__ import annotations

from paretoken.points.importers.drafting import accepted
from paretoken.points.importers.reading import (
    LevelCounts,
    LevelReading,
    Parsed,
    dig,
    entries,
    first,
    latencies,
    load_of,
)
from paretoken.points.importers.sglang_server import server_columns

NAME = "SGLang bench_serving"
ORIGIN = "measured"
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e_latency": "e2e"}
_ENGINES = {"sglang": "sglang", "vllm": "vllm", "trt": "trtllm", "lmdeploy": "lmdeploy"}


def detects(parsed: Parsed) -> bool:
    """The only client that counts output tokens a second time, re-tokenised."""
    return "total_output_tokens_retokenized" in first(parsed)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run."""
    return [_reading(at, run) for at, run in enumerate(entries(parsed), start=1)]


def _reading(at: int, run: dict[str, object]) -> LevelReading:
    stated = {
        **_nominal_lengths(run),
        **load_of(run.get("request_rate"), run.get("max_concurrency")),
        **latencies(run, _LATENCIES, "", 1e-3),
        **latencies(run, _LATENCIES),
        **server_columns(run.get("server_info")),
        "source_ref": run.get("tag"),
        **accepted(run.get("accept_length")),
    }
    totals = {
        "total": run.get("total_throughput"),
        "input": run.get("input_throughput"),
        "output": run.get("output_throughput", run.get("output_token_throughput")),
    }
    engine = _ENGINES.get(str(run.get("backend") or "").split("-")[0])
    return LevelReading(at, stated, totals, {"engine": engine} if engine else {}, counts=_counts(run))


def _nominal_lengths(run: dict[str, object]) -> dict[str, object]:
    """The random data set's lengths; the file holds their defaults for every other data set too."""
    if not str(run.get("dataset_name", "")).startswith("random"):
        return {}
    return {side: run.get(f"random_{word}_len") for side, word in (("isl", "input"), ("osl", "output"))}


def _counts(run: dict[str, object]) -> LevelCounts:
    """Failures are known with `--output-details` only, which records error texts that are not empty."""
    errors = dig(run, "errors")
    return LevelCounts(
        sent=run.get("num_prompts"),
        completed=run.get("completed"),
        failed=sum(1 for e in errors if e) if isinstance(errors, list) else run.get("failed"),
        input_tokens=run.get("total_input_tokens"),
        output_tokens=run.get("total_output_tokens"),
        duration_s=run.get("duration"),
    )
