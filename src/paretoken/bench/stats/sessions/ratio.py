"""Intervals of a ratio of sums over sessions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.bootstrap import ConfidenceInterval, mean_interval


def ratio_interval(parts: Floats, wholes: Floats, rng: np.random.Generator) -> ConfidenceInterval | None:
    """The interval of r = Σ part / Σ whole over sessions in order of time; None for fewer than 8 or a whole of 0.

    Sessions are drawn, not their calls, which are not independent. By the delta method r varies as the mean of
    r + (part − r·whole) / mean(whole).
    """
    mean = float(wholes.mean()) if len(wholes) else 0.0
    if not mean > 0:
        return None
    ratio = float(parts.sum() / wholes.sum())
    interval = mean_interval(ratio + (parts - ratio * wholes) / mean, rng)
    if interval is None:
        return None
    # Rounding alone may put the end of a very narrow interval on the wrong side.
    return replace(interval, value=ratio, low=min(interval.low, ratio), high=max(interval.high, ratio))
