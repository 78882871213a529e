"""The latency distributions of one level's window, small enough for a plot.

Up to 200 samples are all given, in order; of more, the quantiles at a fixed grid that is dense at the tail.
"""

from __future__ import annotations

import numpy as np

from paretoken.bench.plan import Closed, Open
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.steady import Window, latency_mask
from paretoken.bench.stats.throughput import inside
from paretoken.report.numbers import column
from paretoken.report.run.figures import Summary

MOST = 200
GRID = np.unique(np.concatenate([np.linspace(0, 0.98, 99), 1 - np.geomspace(0.02, 1e-4, 60), [1.0]]).round(6))
METRICS = ("ttft", "tpot", "itl", "e2e")


def window_of(summary: Summary) -> Window:
    """The window that the summary's headline is over, as the functions of `load` take it."""
    w = summary["window"]
    return Window(round(w["start_s"] * 1e9), round(w["end_s"] * 1e9), w["steady"], w["reason"])


def in_window(samples: Samples, summary: Summary) -> np.ndarray:
    """The requests whose latency is that of the window (a mask), as the summary chose them."""
    load = summary["load"]
    # the arrivals of an open loop are not needed to choose
    closed = load["kind"] == "closed"
    asked = Closed(load["users"], load["think_s"]) if closed else Open(np.empty(0), load["rate"])
    return latency_mask(samples, window_of(summary), asked)


def distributions(samples: Samples, summary: Summary) -> dict[str, dict]:
    """By metric: `n` samples and their values in ms, either all (`all`) or at the grid (`q`)."""
    window, chosen = window_of(summary), in_window(samples, summary) & samples.ok
    chunks = samples.chunks
    arrived = inside(chunks.at_ns, window.start_ns, window.end_ns) & chunks.spread(samples.ok)
    values = {
        "ttft": samples.ttft_s[chosen],
        "tpot": samples.tpot_s[chosen],
        "itl": chunks.itl(arrived),
        "e2e": samples.e2e_s[chosen],
    }
    return {name: _compact(v[~np.isnan(v)] * 1000) for name, v in values.items()}


def _compact(values: np.ndarray) -> dict:
    n = len(values)
    if n <= MOST:
        return {"n": n, "all": column(np.sort(values).tolist(), 5)}
    return {"n": n, "q": column(np.quantile(values, GRID).tolist(), 5)}
