"""GenAI-Perf's `profile_export_genai_perf.json`: AIPerf's form of metrics, and a configuration of its own.

Until spring 2025 the configuration is the command's options, all at one level (`synthetic_input_tokens_mean`); later
ones nest them as the configuration file does (`input.synthetic_tokens.mean`, `perf_analyzer.stimulus`).
"""

from __future__ import annotations

from paretoken.points.importers.aiperf import (
    average,
    has_metrics,
    mean_lengths_of,
    metric_latencies,
    of_genai_perf,
    rates,
)
from paretoken.points.importers.reading import LevelCounts, LevelReading, Parsed, dig, entries, first, load_of
from paretoken.points.values import number

NAME = "GenAI-Perf"
ORIGIN = "measured"
_LENGTHS = {
    "isl": (("input", "synthetic_tokens", "mean"), ("synthetic_input_tokens_mean",)),
    "osl": (
        ("input", "output_tokens", "mean"),
        ("output_tokens", "mean"),
        ("output_tokens_mean",),
        ("extra_inputs", "max_tokens"),
    ),
}
_BACKENDS = {"tensorrtllm": "trtllm", "trtllm": "trtllm", "vllm": "vllm"}


def detects(parsed: Parsed) -> bool:
    """Metrics at the top level, and a configuration of `perf_analyzer`."""
    document = first(parsed)
    return has_metrics(document) and of_genai_perf(document)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run: a file is one, a list several."""
    return [_reading(at, document) for at, document in enumerate(entries(parsed), start=1)]


def _reading(at: int, document: dict[str, object]) -> LevelReading:
    config = document.get("input_config")
    stated = {
        **_lengths(config),
        **mean_lengths_of(document),
        **_load(config),
        **metric_latencies(document),
        "model": _model(config),
    }
    engine = _BACKENDS.get(
        str(dig(config, "endpoint", "backend") or dig(config, "backend") or "").split(".")[-1].lower()
    )
    counts = LevelCounts(completed=average(document, "request_count"))
    return LevelReading(at, stated, rates(document), {"engine": engine} if engine else {}, counts=counts)


def _model(config: object) -> object:
    """The first model, a name or a list of names in each version."""
    for place in (dig(config, "model_names"), dig(config, "model")):
        name = place[0] if isinstance(place, list) and place else place
        if isinstance(name, str) and name:
            return name
    return None


def _lengths(config: object) -> dict[str, object]:
    """Lengths of synthetic prompts; -1 stands for none."""
    lengths = {side: [number(dig(config, *path)) for path in paths] for side, paths in _LENGTHS.items()}
    stated = {side: next((n for n in values if n and n > 0), None) for side, values in lengths.items()}
    return {side: length for side, length in stated.items() if length}


def _load(config: object) -> dict[str, object]:
    """Users or a request rate, of `perf_analyzer.stimulus` or of the options; sessions of several turns are users."""
    stimulus = dig(config, "perf_analyzer", "stimulus") or config
    users = dig(stimulus, "concurrency") or dig(stimulus, "session_concurrency")
    return load_of(dig(stimulus, "request_rate"), users[0] if isinstance(users, list) and users else users)
