"""One reading of a server's metrics by common names, which `prometheus` explains. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


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
    offload_queries: float | None = None
    offload_hits: float | None = None
    evicted_tokens: float | None = None
    loaded_tokens: float | None = None
    loaded_bytes: float | None = None
    stored_bytes: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    iteration_tokens: float | None = None
    iterations: float | None = None
    requests: float | None = None
    drafts: float | None = None
    drafted_tokens: float | None = None
    accepted_tokens: float | None = None
    acceptance_length: float | None = None
    accepted_by_position: tuple[float, ...] = ()
