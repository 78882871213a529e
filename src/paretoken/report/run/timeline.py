"""One level over time: requests in flight, tokens, errors, and some of its requests."""

from __future__ import annotations

import heapq

import numpy as np

from paretoken.bench.stats.arrays import Ints
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.level_summary import LevelSummary, WindowSummary
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.throughput import binned, in_flight, output_rates
from paretoken.report.numbers import column, rounded

BINS = 240
BARS = 300
READINGS = 300


def timeline(samples: Samples, window: WindowSummary) -> dict[str, object]:
    """Equal bins from the first due time to the last end, the window's ends, and a sample of requests. Seconds."""
    start, end = int(samples.due_ns.min()) - 1, int(samples.end_ns.max())
    bins = int(min(BINS, max(len(samples) * 2, 40)))
    centres = start + ((np.arange(bins) + 0.5) * (end - start) / bins).astype(np.int64)
    bad = ~samples.counted
    errors = binned(samples.end_ns[bad], None, start, end, bins) * (end - start) * NS / bins
    return {
        "from": rounded(start * NS, 6),
        "step": rounded((end - start) * NS / bins, 6),
        "flight": in_flight(samples, centres).tolist(),
        "tok": column(output_rates(samples, start, end, bins).tolist()),
        "err": [round(n) for n in errors] if bad.any() else None,
        "window": [rounded(window.start_s, 6), rounded(window.end_s, 6)] if window.enough else None,
        "bars": _bars(samples),
    }


def _bars(samples: Samples) -> dict[str, object]:
    """Due, first token and end of some requests, a row for each user; in an open loop rows are packed.

    Whole rows are picked, evenly, as many as hold `BARS` requests together; of one longer row, requests are.
    """
    row = samples.slot if (samples.slot >= 0).all() else _packed(samples)
    _, row, size = np.unique(row, return_inverse=True, return_counts=True)
    rows = len(size)
    fit = int(np.clip(BARS * rows // len(samples), 1, rows))
    kept = np.unique(np.linspace(0, rows - 1, fit).round().astype(int))
    picked = np.flatnonzero(np.isin(row, kept))
    picked = picked[np.unique(np.linspace(0, len(picked) - 1, min(len(picked), BARS)).round().astype(int))]
    first = samples.first_ns[picked]
    return {
        "of": len(samples),
        "rows": len(kept),
        "ofRows": rows,
        "row": np.searchsorted(kept, row[picked]).tolist(),
        "due": column((samples.due_ns[picked] * NS).tolist(), 6),
        "first": column(np.where(first >= 0, first * NS, np.nan).tolist(), 6),
        "end": column((samples.end_ns[picked] * NS).tolist(), 6),
        "status": samples.status[picked].tolist(),
    }


def _packed(samples: Samples) -> Ints:
    """A row for each request such that those of one row never overlap: the lowest that is free when it is due."""
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    rows = np.empty(len(samples), dtype=np.int64)
    for i, (due, end) in enumerate(zip(samples.due_ns.tolist(), samples.end_ns.tolist(), strict=True)):
        while busy and busy[0][0] <= due:
            heapq.heappush(free, heapq.heappop(busy)[1])
        rows[i] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end, int(rows[i])))
    return rows


def server_series(summary: LevelSummary) -> dict[str, object] | None:
    """The server's gauges over the level; None where there are none.

    Seconds count from the start of the level where the run recorded it on the scraper's clock, else from the first
    reading, which is just before.
    """
    if summary.server is None:
        return None
    at, series = summary.server.at_s, summary.server.series
    gauges = {k: series[k] for k in ("running", "waiting", "kv_cache_usage") if k in series}
    if len(at) < 2 or not gauges:
        return None
    zero = summary.run.t0_monotonic_s
    kept = np.unique(np.linspace(0, len(at) - 1, min(len(at), READINGS)).round().astype(int))
    return {
        "aligned": zero is not None,
        "at": column((at[i] - (at[0] if zero is None else zero) for i in kept), 6),
        **{k: column((v[i] for i in kept), 5) for k, v in gauges.items()},
    }
