"""AIPerf's `profile_export_aiperf.json`: unit and statistics of each metric, and the run's configuration.

AIPerf's `inter_token_latency` is (E2E − TTFT) / (OSL − 1) of each request: the TPOT of this project.
Its `inter_chunk_latency` is the gap between chunks: the ITL.
"""

from __future__ import annotations

from paretoken.points.importers.drafting import accepted, drafted, shares_of_steps
from paretoken.points.importers.reading import (
    LevelCounts,
    LevelReading,
    Parsed,
    dig,
    entries,
    first,
    joined,
    load_of,
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
_ACCEPTANCE = ("spec_decode_token_weighted_acceptance_length", "token-weighted_acceptance_length")
"""The name in JSON, and the heading in CSV."""
_GENAI_PERF = {"perf_analyzer", "service_kind", "subcommand", "model_names", "synthetic_input_tokens_mean"}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_THROUGHPUT = {
    "total": "total_token_throughput",
    "input": "input_token_throughput",
    "output": "output_token_throughput",
}


def detects(parsed: Parsed) -> bool:
    """Metrics at the top level, each with its unit, of a run that GenAI-Perf did not configure."""
    document = first(parsed)
    return has_metrics(document) and not of_genai_perf(document)


def has_metrics(document: dict[str, object]) -> bool:
    """Whether a document holds metrics of AIPerf or GenAI-Perf."""
    return any(dig(document, name, "unit") is not None for name in ("request_latency", "request_throughput"))


def of_genai_perf(document: dict[str, object]) -> bool:
    """Whether the configuration is that of GenAI-Perf, which runs `perf_analyzer`."""
    config = document.get("input_config")
    return isinstance(config, dict) and bool(_GENAI_PERF & config.keys())


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run: a file is one, a list several."""
    return [_reading(at, document) for at, document in enumerate(entries(parsed), start=1)]


def _reading(at: int, document: dict[str, object]) -> LevelReading:
    config = document.get("input_config")
    load = _load(config)
    ended = document.get("was_cancelled") is True or document.get("is_complete") is False
    stated = {
        **_lengths(config),
        **mean_lengths_of(document),
        **load,
        **metric_latencies(document),
        **_acceptance(document),
        "model": _model(config),
        "date": str(document.get("start_time") or "")[:10],
        "source_ref": document.get("benchmark_id"),
        "notes": joined(load.get("notes"), "the run ended before it was complete" if ended else None),
    }
    steps = average(document, "total_spec_decode_steps")
    otherwise = drafted(average(document, "total_draft_tokens"), steps)
    return LevelReading(at, stated, rates(document), otherwise, counts=_counts(document))


def _acceptance(document: dict[str, object]) -> dict[str, object]:
    """Over all verification steps, each of which counts alike, where requests reported them."""
    shares = shares_of_steps(document.get("pooled_spec_decode_acceptance_histogram"))
    lengths = (average(document, name) for name in _ACCEPTANCE)
    return accepted(next((length for length in lengths if length is not None), None), shares)


def average(document: dict[str, object], name: str) -> object:
    """The mean of a metric, or its only value."""
    return dig(document, name, "avg")


def rates(document: dict[str, object]) -> dict[str, object]:
    """Tokens per second by side; the input's as requests per second times their mean length, if it is not stated."""
    sides = {side: average(document, name) for side, name in _THROUGHPUT.items()}
    if sides["total"] is None and sides["input"] is None:
        requests, length = (number(average(document, n)) for n in ("request_throughput", "input_sequence_length"))
        sides["input"] = None if requests is None or length is None else requests * length
    return sides


def mean_lengths_of(document: dict[str, object]) -> dict[str, object]:
    """Mean lengths in tokens."""
    means = {f"mean_{side}": average(document, f"{word}_sequence_length") for side, word in _SIDES.items()}
    return {name: mean for name, mean in means.items() if mean is not None}


def metric_latencies(document: dict[str, object]) -> dict[str, object]:
    """Latencies in seconds, from the unit that each metric states."""
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


def _counts(document: dict[str, object]) -> LevelCounts:
    """Requests; failures are counted, or listed by kind in `error_summary`, which is empty where there are none."""
    failed, kinds = average(document, "error_request_count"), document.get("error_summary")
    if failed is None and isinstance(kinds, list):
        failed = sum(number(dig(kind, "count")) or 0 for kind in kinds)
    return LevelCounts(completed=average(document, "request_count"), failed=failed)
