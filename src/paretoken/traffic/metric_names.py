"""The Prometheus metrics that traffic is read from, by engine, as the engine files name them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from paretoken.catalog.engine_files import engine_files

MODEL_LABEL = "model_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficMetrics:
    """Names of one engine's metrics: of several names the first with series counts; histograms have no suffix here."""

    engine: str
    requests: tuple[str, ...]
    inputs: str
    outputs: str
    input_totals: tuple[str, ...]
    output_totals: tuple[str, ...]
    looked_up: tuple[str, ...]
    hits: tuple[str, ...]
    hit_rates: tuple[str, ...]
    histograms_need: str

    @property
    def counters(self) -> tuple[str, ...]:
        """Every name but those of the buckets."""
        parts = tuple(f"{base}_{part}" for base in (self.inputs, self.outputs) for part in ("sum", "count"))
        totals = (*self.input_totals, *self.output_totals)
        return tuple(dict.fromkeys((*self.requests, *parts, *totals, *self.looked_up, *self.hits, *self.hit_rates)))

    @property
    def buckets(self) -> tuple[str, ...]:
        return f"{self.inputs}_bucket", f"{self.outputs}_bucket"


@cache
def traffic_metrics() -> tuple[TrafficMetrics, ...]:
    """Of each engine that counts its requests and their lengths."""
    return tuple(
        TrafficMetrics(
            engine=key,
            requests=e.metrics.per_request.requests,
            inputs=e.metrics.per_request.prompt_tokens,
            outputs=e.metrics.per_request.generation_tokens,
            input_totals=e.metrics.names.get("prompt_tokens", ()),
            output_totals=e.metrics.names.get("generation_tokens", ()),
            looked_up=e.metrics.names.get("prefix_cache_queries", ()),
            hits=e.metrics.names.get("prefix_cache_hits", ()),
            hit_rates=e.metrics.names.get("cache_hit_rate", ()),
            histograms_need=e.metrics.per_request.histograms_need,
        )
        for key, e in engine_files().items()
        if e.metrics and e.metrics.per_request
    )


def counter_names() -> tuple[str, ...]:
    return tuple(name for metrics in traffic_metrics() for name in metrics.counters)


def bucket_names() -> tuple[str, ...]:
    return tuple(name for metrics in traffic_metrics() for name in metrics.buckets)
