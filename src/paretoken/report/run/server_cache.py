"""What the servers counted of their prefix caches at each level: hits, evictions, and tiers below GPU memory."""

from __future__ import annotations

from paretoken.bench.stats.prometheus import OFFLOAD
from paretoken.bench.stats.scrape import CounterDeltas
from paretoken.report.numbers import shown
from paretoken.report.run.reading import MeasuredRun
from paretoken.report.run.tables import Grid

COUNTED = (
    ("Prompt tokens looked up", "prefix_cache_queries", 1.0),
    ("Of them hits", "prefix_cache_hits", 1.0),
    ("Looked up below GPU memory", "offload_queries", 1.0),
    ("Hits there", "offload_hits", 1.0),
    ("Tokens evicted", "evicted_tokens", 1.0),
    ("Tokens brought back", "loaded_tokens", 1.0),
    ("Brought back, GB", "loaded_bytes", 1e-9),
    ("Stored below, GB", "stored_bytes", 1e-9),
)
"""Heading, counter, and the factor to the heading's unit."""


def server_cache_grid(run: MeasuredRun) -> Grid | None:
    """The counters that any level has; None without one of evictions or of lower tiers."""
    deltas = [s.server.delta if s.server else CounterDeltas() for s in run.summaries]
    if not any(getattr(delta, name) is not None for delta in deltas for name in OFFLOAD):
        return None
    kept = [entry for entry in COUNTED if any(getattr(delta, entry[1]) is not None for delta in deltas)]
    rows = [
        (name, tuple(_cell(getattr(delta, counter), scale) for _, counter, scale in kept), bool(s.failed))
        for name, s, delta in zip(run.names, run.summaries, deltas, strict=True)
    ]
    return Grid(tuple(head for head, _, _ in kept), tuple(rows))


def _cell(rise: float | None, scale: float) -> str:
    return shown(None if rise is None else rise * scale, 4)
