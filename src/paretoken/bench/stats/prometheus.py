"""Prometheus text of the engines' `/metrics` as common names.

    running, waiting        requests now                       gauge, summed over engines
    kv_cache_usage          share of KV cache in use, 0 to 1   gauge, the fullest engine
    batch_size              requests in a step, by the server  gauge, the largest
    retracted               requests evicted at this moment    gauge (SGLang), without a counter
    preemptions             requests evicted from the batch    counter
    prefix_cache_queries    prompt tokens looked up            counter
    prefix_cache_hits       of those, served from the cache    counter
    cache_hit_rate          hit rate by the server             gauge, without counters
    prompt_tokens, generation_tokens                           counters
    iteration_tokens, iterations                               counters: tokens of all steps, steps

Figures that an engine does not export are None, never 0. SGLang's ranks of one engine report the same figures: the
lowest is taken. Sources: vLLM "Production Metrics", SGLang "Production Metrics", llama.cpp server README,
TensorRT-LLM `metrics/collector.py`; recordings of all but the last are in the tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

SUMMED, LARGEST = "sum", "max"
COUNTERS = (
    "preemptions",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "prompt_tokens",
    "generation_tokens",
    "iteration_tokens",
    "iterations",
)
_LARGEST = ("kv_cache_usage", "batch_size", "cache_hit_rate")
_RANKS = ("tp_rank", "pp_rank", "moe_ep_rank", "pid")
_PREFIXES = ("vllm:", "sglang:", "llamacpp:", "trtllm_")
_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')

NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "vllm": {
        "running": ("vllm:num_requests_running",),
        "waiting": ("vllm:num_requests_waiting",),
        "kv_cache_usage": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        "preemptions": ("vllm:num_preemptions_total", "vllm:num_preemptions"),
        "prefix_cache_queries": (
            "vllm:prefix_cache_queries_total",
            "vllm:prefix_cache_queries",
            "vllm:gpu_prefix_cache_queries_total",
        ),
        "prefix_cache_hits": (
            "vllm:prefix_cache_hits_total",
            "vllm:prefix_cache_hits",
            "vllm:gpu_prefix_cache_hits_total",
        ),
        "prompt_tokens": ("vllm:prompt_tokens_total",),
        "generation_tokens": ("vllm:generation_tokens_total",),
        "iteration_tokens": ("vllm:iteration_tokens_total_sum",),
        "iterations": ("vllm:iteration_tokens_total_count",),
    },
    "sglang": {
        "running": ("sglang:num_running_reqs",),
        "waiting": ("sglang:num_queue_reqs",),
        "kv_cache_usage": ("sglang:token_usage",),
        "retracted": ("sglang:num_retracted_reqs",),
        "preemptions": ("sglang:num_retracted_requests_total", "sglang:num_retracted_reqs_total"),
        "prefix_cache_queries": ("sglang:prompt_tokens_total",),
        "prefix_cache_hits": ("sglang:cached_tokens_total",),
        "cache_hit_rate": ("sglang:cache_hit_rate",),
        "prompt_tokens": ("sglang:prompt_tokens_total",),
        "generation_tokens": ("sglang:generation_tokens_total",),
    },
    "llama.cpp": {
        "running": ("llamacpp:requests_processing",),
        "waiting": ("llamacpp:requests_deferred",),
        "kv_cache_usage": ("llamacpp:kv_cache_usage_ratio",),
        "batch_size": ("llamacpp:n_busy_slots_per_decode",),
        "prefix_cache_hits": ("llamacpp:prompt_tokens_cached_total",),
        "prompt_tokens": ("llamacpp:prompt_tokens_total",),
        "generation_tokens": ("llamacpp:tokens_predicted_total",),
        "iterations": ("llamacpp:n_decode_total",),
    },
    "trtllm": {
        "running": ("trtllm_num_requests_running", "trtllm_num_active_requests"),
        "waiting": ("trtllm_num_requests_waiting", "trtllm_server_queue_length"),
        "kv_cache_usage": ("trtllm_kv_cache_utilization",),
        "cache_hit_rate": ("trtllm_kv_cache_hit_rate",),
        "prefix_cache_queries": ("trtllm_prompt_tokens_total",),
        "prefix_cache_hits": ("trtllm_prompt_cached_tokens_total",),
        "prompt_tokens": ("trtllm_prompt_tokens_total",),
        "generation_tokens": ("trtllm_generation_tokens_total",),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsReading:
    """One reading of one server, or of several together; `at_s` is on the caller's clock."""

    at_s: float = 0.0
    engine: str | None = None
    running: float | None = None
    waiting: float | None = None
    kv_cache_usage: float | None = None
    batch_size: float | None = None
    retracted: float | None = None
    preemptions: float | None = None
    prefix_cache_queries: float | None = None
    prefix_cache_hits: float | None = None
    cache_hit_rate: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    iteration_tokens: float | None = None
    iterations: float | None = None


FIGURES = tuple(f.name for f in fields(MetricsReading) if f.name not in ("at_s", "engine"))


@dataclass(slots=True)
class _Series:
    """The values of one name: the label sets seen, ranks left out, each with its lowest rank's value."""

    values: dict[tuple[tuple[str, str], ...], tuple[tuple[str, ...], float]] = field(default_factory=dict)

    def add(self, labels: Mapping[str, str], value: float) -> None:
        rank = tuple(labels.get(name, "").zfill(12) for name in _RANKS)
        key = tuple(sorted((k, v) for k, v in labels.items() if k not in _RANKS))
        if key not in self.values or rank < self.values[key][0]:
            self.values[key] = (rank, value)

    def folded(self, how: str) -> float:
        values = [value for _, value in self.values.values()]
        return sum(values) if how == SUMMED else max(values)


def parse(text: str, at_s: float = 0.0) -> MetricsReading:
    """The snapshot in Prometheus text; of an unknown engine, all figures are None."""
    series: dict[str, _Series] = {}
    for line in text.splitlines():
        # Dynamo writes TensorRT-LLM's names with a colon.
        line = line.strip().replace("trtllm:", "trtllm_", 1)
        match = _LINE.match(line) if line.startswith(_PREFIXES) else None
        value = _number(match.group(3)) if match else None
        if match and value is not None:
            labels = dict(_LABEL.findall(match.group(2) or ""))
            series.setdefault(match.group(1), _Series()).add(labels, value)
    engine = _engine(series)
    if engine is None:
        return MetricsReading(at_s=at_s)
    picked = {ours: _pick(ours, names, series) for ours, names in NAMES[engine].items()}
    if engine == "llama.cpp" and picked["prefix_cache_hits"] is not None and picked["prompt_tokens"] is not None:
        # Its prompt tokens leave the cached ones out; everywhere else they are counted in.
        picked["prompt_tokens"] += picked["prefix_cache_hits"]
        picked["prefix_cache_queries"] = picked["prompt_tokens"]
    return MetricsReading(at_s=at_s, engine=engine, **picked)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _engine(series: Iterable[str]) -> str | None:
    for name in series:
        prefix = re.split(r"[:_]", name, maxsplit=1)[0]
        engine = {"llamacpp": "llama.cpp"}.get(prefix, prefix)
        if engine in NAMES:
            return engine
    return None


def _pick(ours: str, names: tuple[str, ...], series: Mapping[str, _Series]) -> float | None:
    """The first of the names that is there, folded over engines."""
    name = next((n for n in names if n in series), None)
    return None if name is None else series[name].folded(LARGEST if ours in _LARGEST else SUMMED)


def merge(replicas: Iterable[MetricsReading], at_s: float) -> MetricsReading:
    """Replicas as one server: sums, and the largest share; None where any replica is silent."""
    readings = list(replicas)
    engines = {r.engine for r in readings}

    def fold(name: str) -> float | None:
        values: list[float | None] = [getattr(r, name) for r in readings]
        numbers = [v for v in values if v is not None]
        if not numbers or len(numbers) < len(values):
            return None
        return max(numbers) if name in _LARGEST else sum(numbers)

    engine = engines.pop() if len(engines) == 1 else None
    return MetricsReading(at_s=at_s, engine=engine, **{name: fold(name) for name in FIGURES})
