"""95 % intervals of the headline figures of one level, by a bootstrap of blocks of neighbours in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.bootstrap import ConfidenceInterval, mean_interval, quantile_interval
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.precision import BINS, throughput_interval
from paretoken.bench.stats.quantiles import supported
from paretoken.bench.stats.steady import Window
from paretoken.bench.stats.throughput import inside, output_rates, smooth_input_rates

TAIL = 0.99


def intervals(samples: Samples, window: Window, chosen: Mask, seed: int) -> dict[str, ConfidenceInterval | None]:
    """By name, each with value, low, high, level and n; None where samples are too few.

    `mean_`, `median_` and `p99_` of each latency in seconds, throughput in tokens per second of the deployment,
    and the median interactivity, whose slow end is the slow end of TPOT.
    """
    rng = np.random.default_rng([seed, 0xB007])
    by_name = dict(_rates(samples, window, rng)) if window.enough else {}
    ok = chosen & samples.ok
    series = {"ttft_s": samples.ttft_s[ok], "tpot_s": samples.tpot_s[ok], "e2e_s": samples.e2e_s[ok]}
    series["itl_s"] = gaps_in_time(samples, window)
    for name, values in series.items():
        by_name[f"mean_{name}"] = mean_interval(values, rng)
        by_name[f"median_{name}"] = quantile_interval(values, 0.5, rng)
        enough = supported(int((~np.isnan(values)).sum()), TAIL)
        by_name[f"p99_{name}"] = quantile_interval(values, TAIL, rng) if enough else None
    by_name["median_interactivity_tok_s"] = _inverse(by_name["median_tpot_s"])
    return by_name


def gaps_in_time(samples: Samples, window: Window) -> Floats:
    """The usable gaps between chunks that end within the window, in order of time over all requests, seconds.

    Streams of one engine step emit together, so neighbours in time share its fate: blocks must hold them.
    """
    chunks = samples.chunks
    arrived = inside(chunks.at_ns, window.start_ns, window.end_ns) & chunks.spread(samples.ok & ~samples.held_back)
    return chunks.itl(arrived, in_time=True)


def _rates(
    samples: Samples, window: Window, rng: np.random.Generator
) -> Iterator[tuple[str, ConfidenceInterval | None]]:
    span = (window.start_ns, window.end_ns, BINS)
    out, into = output_rates(samples, *span), smooth_input_rates(samples, *span)
    counted = not samples.uncounted.any()
    yield "output_tok_s", throughput_interval(samples, window, rng) if counted else None
    yield "input_tok_s", mean_interval(into, rng)
    yield "total_tok_s", mean_interval(out + into, rng) if counted else None


def _inverse(interval: ConfidenceInterval | None) -> ConfidenceInterval | None:
    if interval is None or not interval.low > 0:
        return None
    return ConfidenceInterval(
        1 / interval.value, 1 / interval.high, 1 / interval.low, level=interval.level, n=interval.n
    )
