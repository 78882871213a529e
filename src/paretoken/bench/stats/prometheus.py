"""Prometheus text of the engines' `/metrics` as common names.

    running, waiting        requests now                       gauge, summed over engines
    kv_cache_usage          share of KV cache in use, 0 to 1   gauge, the fullest engine
    batch_size              requests in a step, by the server  gauge, the largest
    retracted               requests evicted at this moment    gauge (SGLang), without a counter
    preemptions             requests evicted from the batch    counter
    prefix_cache_queries    prompt tokens looked up            counter
    prefix_cache_hits       of those, from the cache, any tier counter
    offload_queries         prompt tokens looked up in tiers below GPU memory   counter
    offload_hits            of those, found there              counter; of SGLang, in host memory
    evicted_tokens          tokens evicted from GPU memory     counter
    loaded_tokens           tokens brought back into it        counter
    loaded_bytes, stored_bytes  moved from and to lower tiers  counters
    cache_hit_rate          hit rate by the server             gauge, without counters
    prompt_tokens, generation_tokens                           counters
    iteration_tokens, iterations                               counters: tokens of all steps, steps
    requests                requests that ended                counter
    drafts                  verification steps of sequences    counter
    drafted_tokens, accepted_tokens                            counters: of the drafts, without the target's own token
    acceptance_length       tokens a verification step         gauge, the mean over engines; below 1 there is none
    accepted_by_position    accepted tokens by their place in the draft, first to last   counters

Figures that an engine does not export are None, never 0. SGLang's ranks of one engine report the same figures: the
lowest is taken. Sources: vLLM "Production Metrics", SGLang "Production Metrics", llama.cpp server README,
TensorRT-LLM and SGLang `metrics_collector.py`, ATOM `metrics.py`; recordings of the first three are in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import zip_longest
from statistics import fmean

from paretoken.bench.stats.metrics_reading import MetricsReading as MetricsReading
from paretoken.catalog.engine_files import EngineMetrics, engine_files
from paretoken.points.acceptance import MOST_TOKENS

DRAFTING = ("drafts", "drafted_tokens", "accepted_tokens")
"""Counters of speculative decoding, beside `accepted_by_position`."""
OFFLOAD = ("offload_queries", "offload_hits", "evicted_tokens", "loaded_tokens", "loaded_bytes", "stored_bytes")
"""Counters of a prefix cache that fills up, and of the tiers below GPU memory."""
COUNTERS = (
    "preemptions",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "prompt_tokens",
    "generation_tokens",
    "iteration_tokens",
    "iterations",
    "requests",
    *OFFLOAD,
    *DRAFTING,
)
_LARGEST = ("kv_cache_usage", "batch_size", "cache_hit_rate")
_RANKS = ("tp_rank", "pp_rank", "moe_ep_rank", "pid")
LONGEST_LINE = 8192
MOST_COUNTED = 1e18
"""A count beyond this is none, and sums of it would end at infinity."""
_NAME = re.compile(r"[A-Za-z_:][\w:]*")
_LABEL = re.compile(r'\s*([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?\s*')


FIGURES = tuple(f.name for f in fields(MetricsReading) if f.name not in ("at_s", "engine", "accepted_by_position"))


@dataclass(slots=True)
class _Series:
    """The values of one name: the label sets seen, ranks left out, each with its lowest rank's value."""

    values: dict[tuple[tuple[str, str], ...], tuple[tuple[str, ...], float]] = field(default_factory=dict)

    def add(self, labels: Mapping[str, str], value: float) -> None:
        rank = tuple(labels.get(name, "").zfill(12) for name in _RANKS)
        key = tuple(sorted((k, v) for k, v in labels.items() if k not in _RANKS))
        if key not in self.values or rank < self.values[key][0]:
            self.values[key] = (rank, value)

    def choose(self, labels: Mapping[str, str]) -> list[float]:
        """The values with these labels, whatever other labels they have."""
        chosen = set(labels.items())
        return [value for key, (_, value) in self.values.items() if chosen <= set(key)]

    def by(self, label: str) -> dict[int, float]:
        """Sums by the whole number in a label; values without one up to `MOST_TOKENS` are left out."""
        sums: dict[int, float] = {}
        for key, (_, value) in self.values.items():
            text = dict(key).get(label, "")
            if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= MOST_TOKENS:
                sums[int(text)] = sums.get(int(text), 0.0) + value
        return sums


def parse(text: str, at_s: float = 0.0) -> MetricsReading:
    """The snapshot in Prometheus text; of an unknown engine, all figures are None."""
    series: dict[str, _Series] = {}
    starts, renames = _prefixes()
    for line in text.splitlines():
        line = line.strip() if len(line) <= LONGEST_LINE else ""
        row = _row(_renamed(line, renames)) if line.startswith(starts) else None
        if row:
            name, labels, value = row
            series.setdefault(name, _Series()).add(labels, value)
    engine = _engine(series)
    if engine is None:
        return MetricsReading(at_s=at_s)
    label, metrics = engine
    picked: dict[str, float | None] = {ours: _pick(ours, names, series) for ours, names in metrics.names.items()}
    if not metrics.prompt_tokens_include_cached:
        cached, computed = picked["prefix_cache_hits"], picked["prompt_tokens"]
        if cached is not None and computed is not None:
            picked["prompt_tokens"] = picked["prefix_cache_queries"] = computed + cached
    if not metrics.prefix_hits_include_offload:
        in_gpu, below = picked["prefix_cache_hits"], picked["offload_hits"]
        picked["prefix_cache_hits"] = None if in_gpu is None else in_gpu + (below or 0.0)
    if metrics.accepted_is_the_rest:
        picked["accepted_tokens"] = _rest(*(picked[name] for name in ("generation_tokens", "requests", "drafts")))
    return MetricsReading(at_s=at_s, engine=label, **picked, accepted_by_position=_by_position(metrics, series))


def _row(line: str) -> tuple[str, dict[str, str], float] | None:
    """Name, labels and value of a line, None for any other line. Reads each character once."""
    name = _NAME.match(line)
    if name is None:
        return None
    at, labels = name.end(), dict[str, str]()
    if line.startswith("{", at):
        at += 1
        while label := _LABEL.match(line, at):
            labels[label[1]], at = label[2], label.end()
        if not line.startswith("}", at):
            return None
        at += 1
    words = line[at:].split()
    value = _number(words[0]) if len(words) in (1, 2) else None  # the second is a time stamp
    return None if value is None else (name[0], labels, value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= MOST_COUNTED else None


@cache
def _metrics() -> tuple[tuple[str, EngineMetrics], ...]:
    """The metrics of each engine, by its name in results."""
    return tuple((e.metrics.label or key, e.metrics) for key, e in engine_files().items() if e.metrics)


@cache
def _prefixes() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Every prefix of an engine's metrics, and (other prefix, first prefix) of those with more than one."""
    renames = tuple((other, m.prefixes[0]) for _, m in _metrics() for other in m.prefixes[1:])
    return tuple(prefix for _, m in _metrics() for prefix in m.prefixes), renames


def _renamed(line: str, renames: tuple[tuple[str, str], ...]) -> str:
    """The line with the first of its engine's prefixes: Dynamo writes TensorRT-LLM's names with another."""
    for other, first in renames:
        if line.startswith(other):
            return first + line[len(other) :]
    return line


def _engine(series: Iterable[str]) -> tuple[str, EngineMetrics] | None:
    """The engine of the first series, and how its metrics are called."""
    name = next(iter(series), "")
    return next(((label, metrics) for label, metrics in _metrics() if name.startswith(metrics.prefixes[0])), None)


def _pick(ours: str, names: tuple[str, ...], series: Mapping[str, _Series]) -> float | None:
    """The first of the names that is there, folded over engines."""
    for name, labels in map(_selector, names):
        if name in series and (values := series[name].choose(labels)):
            return _fold(ours, values)
    return None


@cache
def _selector(name: str) -> tuple[str, dict[str, str]]:
    """`name{label="value"}` as the name and the labels."""
    row = _row(f"{name} 0")
    return (name, {}) if row is None else row[:2]


def _fold(ours: str, values: Sequence[float]) -> float | None:
    """The values of several engines as one: sums, the largest share, the mean acceptance."""
    if ours == "acceptance_length":
        accepting = [v for v in values if v >= 1]  # 0 stands for nothing drafted yet
        return fmean(accepting) if accepting else None
    return max(values) if ours in _LARGEST else sum(values)


def _rest(generated: float | None, requests: float | None, drafts: float | None) -> float | None:
    """Accepted tokens: those generated, less one for each request's prefill and one for each verification step."""
    return None if generated is None or requests is None or drafts is None else generated - requests - drafts


def _by_position(metrics: EngineMetrics, series: Mapping[str, _Series]) -> tuple[float, ...]:
    """Accepted tokens by their place in the draft; empty if the engine does not count them."""
    source = metrics.accepted_by_position
    name = next((n for n in source.names if n in series), None) if source else None
    if source is None or name is None:
        return ()
    counts = series[name].by(source.label)
    if source.of_steps:  # a step that accepts j tokens accepts those at 0 to j - 1
        return tuple(sum(n for j, n in counts.items() if j > place) for place in range(max(counts, default=0)))
    return tuple(counts.get(place, 0.0) for place in range(max(counts, default=-1) + 1))


def merge(replicas: Iterable[MetricsReading], at_s: float) -> MetricsReading:
    """Replicas as one server: sums, and the largest share; None where any replica is silent."""
    readings = list(replicas)
    engines = {r.engine for r in readings}

    def fold(name: str) -> float | None:
        values: list[float | None] = [getattr(r, name) for r in readings]
        numbers = [v for v in values if v is not None]
        if not numbers or len(numbers) < len(values):
            return None
        return _fold(name, numbers)

    engine = engines.pop() if len(engines) == 1 else None
    positions = tuple(sum(at) for at in zip_longest(*(r.accepted_by_position for r in readings), fillvalue=0.0))
    folded = {name: fold(name) for name in FIGURES}
    return MetricsReading(at_s=at_s, engine=engine, accepted_by_position=positions, **folded)
