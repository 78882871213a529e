"""The latency distributions of one level's window, small enough for a plot.

Up to 200 samples are all given, in order; of more, the quantiles at a fixed grid that is dense at the tail.
"""

from __future__ import annotations

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.figures import load_of, window_of
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.steady import latency_mask
from paretoken.bench.stats.throughput import inside
from paretoken.report.numbers import column

MOST = 200
GRID = np.unique(np.concatenate([np.linspace(0, 0.98, 99), 1 - np.geomspace(0.02, 1e-4, 60), [1.0]]).round(6))


Column = list[float | int | None]


def in_window(samples: Samples, summary: LevelSummary) -> Mask:
    """The requests whose latency is that of the window (a mask), as the summary chose them."""
    return latency_mask(samples, window_of(summary.window), load_of(summary.load))


def distributions(samples: Samples, summary: LevelSummary) -> dict[str, dict[str, int | Column]]:
    """By metric: `n` samples and their values in ms, either all (`all`) or at the grid (`q`)."""
    window, chosen = window_of(summary.window), in_window(samples, summary) & samples.ok
    chunks = samples.chunks
    arrived = inside(chunks.at_ns, window.start_ns, window.end_ns) & chunks.spread(samples.ok)
    values = {
        "ttft": samples.ttft_s[chosen],
        "tpot": samples.tpot_s[chosen],
        "itl": chunks.itl(arrived),
        "e2e": samples.e2e_s[chosen],
    }
    return {name: _compact(v[~np.isnan(v)] * 1000) for name, v in values.items()}


def _compact(values: Floats) -> dict[str, int | Column]:
    n = len(values)
    if n <= MOST:
        return {"n": n, "all": column(np.sort(values).tolist(), 5)}
    return {"n": n, "q": column(np.quantile(values, GRID).tolist(), 5)}
