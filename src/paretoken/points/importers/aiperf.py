"""AIPerf's `profile_export_aiperf.json`: unit and statistics of each metric, and the run's configuration.

AIPerf's `inter_token_latency` is (E2E − TTFT) / (OSL − 1) of each request: the TPOT of this project.
Its `inter_chunk_latency` is the gap between chunks: the ITL.
"""

from __future__ import annotations

from paretoken.points.importers.reading import (
    LevelReading,
    Parsed,
    dig,
    failures,
    first,
    joined,
    load_of,
    nominal,
    scaled,
)
from paretoken.points.values import number

_SIDES = {"isl": "input", "osl": "output"}
NAME = "AIPerf"
ORIGIN = "measured"
_LATENCIES = {
    "time_to_first_token": "ttft",
    "ttft": "ttft",
    "inter_token_latency": "tpot",
    "inter_chunk_latency": "itl",
    "request_latency": "e2e",
}
_STATISTICS = {"avg": "mean", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99"}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_THROUGHPUT = {
    "total": "total_token_throughput",
    "input": "input_token_throughput",
    "output": "output_token_throughput",
}


def detects(parsed: Parsed) -> bool:
    """Metrics at the top level, each with its unit."""
    document = first(parsed)
    return any(dig(document, name, "unit") is not None for name in ("request_latency", "request_throughput"))


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading: a file is one run."""
    document = first(parsed)
    config = document.get("input_config")
    means = {f"mean_{side}": _average(document, f"{word}_sequence_length") for side, word in _SIDES.items()}
    load = _load(config)
    stated = {
        **_lengths(config),
        **{key: value for key, value in means.items() if value is not None},
        **load,
        **_latencies(document),
        "model": _model(config),
        "date": str(document.get("start_time") or "")[:10],
        "source_ref": document.get("benchmark_id"),
        "notes": joined(*_trouble(document), load.get("notes")),
    }
    totals = {side: _average(document, name) for side, name in _THROUGHPUT.items()}
    return [LevelReading(1, stated, totals, nominal(means))]


def _average(document: dict[str, object], name: str) -> object:
    return dig(document, name, "avg")


def _latencies(document: dict[str, object]) -> dict[str, object]:
    columns = {}
    for name, ours in _LATENCIES.items():
        factor = _SECONDS.get(str(dig(document, name, "unit")))
        for key, statistic in _STATISTICS.items():
            value = dig(document, name, key)
            if value is not None and factor is not None:
                columns[f"{statistic}_{ours}_s"] = scaled(value, factor)
    return columns


def _model(config: object) -> object:
    """The first model: `endpoint.model_names` in older versions, then `models.items`."""
    models = dig(config, "models")
    named = (dig(config, "endpoint", "model_names", 0), dig(models, "items", 0, "name"), dig(models, 0))
    return next((n for n in named if isinstance(n, str)), None)


def _lengths(config: object) -> dict[str, object]:
    """Lengths asked for: `input.prompt.input_tokens.mean`, or later `datasets[0].prompts.isl` in any form."""
    prompt, data = dig(config, "input", "prompt"), dig(config, "datasets", 0)
    columns = {}
    for side, word in _SIDES.items():
        length = dig(data, "prompts", side) or dig(data, side)
        places = (dig(prompt, f"{word}_tokens", "mean"), dig(length, "value"), dig(length, "mean"), length)
        columns[side] = next((scaled(p, 1.0) for p in places if number(p) is not None), None)
    return {side: length for side, length in columns.items() if length is not None}


def _load(config: object) -> dict[str, object]:
    """The load of `loadgen`, or of the last phase that is not a warm-up."""
    listed = dig(config, "phases")
    phases = [p for p in listed if "warmup" not in (dig(p, "kind"), dig(p, "name"))] if isinstance(listed, list) else []
    phase = phases[-1] if phases else dig(config, "loadgen")
    if dig(phase, "type") in ("user_centric", "fixed_schedule"):
        return {"load_kind": "open"}
    rate = dig(phase, "rate") or dig(phase, "request_rate")
    return load_of(rate, dig(phase, "concurrency"))


def _trouble(document: dict[str, object]) -> tuple[str | None, ...]:
    """Failures, and whether the run ended early."""
    failed, done = (number(_average(document, f"{word}request_count")) for word in ("error_", ""))
    early = document.get("was_cancelled") is True or document.get("is_complete") is False
    ended = "the run ended before it was complete" if early else None
    return failures(failed, (failed or 0) + (done or 0)), ended
