"""How bursty arrivals are, beyond the trend of their rate: the index of dispersion of counts."""

from __future__ import annotations

import numpy as np

from paretoken.traffic.traffic import HOUR_S, Floats

WINDOWS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Lengths of windows; an hour holds a whole number of each."""
PER_WINDOW = 30.0
"""Requests that a window should hold on average: enough that gaps do not matter one by one."""
_FEWEST = 6
"""Windows of an hour, or of a shorter period, below which its trend leaves nothing to measure."""
_TICKS_S = (60.0, 1.0, 0.1, 0.01)
"""Resolutions in which logs write times: a window is a multiple, lest it count the rounding."""


def burstiness(time_s: Floats, span_s: float) -> tuple[float | None, float]:
    """The variance over the mean of requests in windows, and the length of these in s: 1 for Poisson arrivals.

    A straight line through the counts of each hour is subtracted, so that the curve of a day is no burst. The squares
    that remain are divided by the windows less 2, and all hours are pooled. Gaps of squared coefficient of variation c²
    give about c². None where no hour has enough windows with requests.
    """
    window_s = window(time_s, span_s)
    whole = int(span_s / window_s + 1e-9)
    counts = np.bincount((time_s / window_s + 1e-6).astype(np.int64), minlength=whole)[:whole].astype(np.float64)
    per_hour = round(HOUR_S / window_s)
    full = whole // per_hour * per_hour
    squares = expected = 0.0
    for part in (counts[:full].reshape(-1, per_hour), counts[full:][None, :]):
        if part.shape[1] >= _FEWEST:
            squares += _off_line(part)
            expected += (part.shape[1] - 2) * float(part.mean(axis=1).sum())
    return (squares / expected if expected else None), window_s


def window(time_s: Floats, span_s: float) -> float:
    """The length in s of a window: about PER_WINDOW requests, short in the period, and whole ticks of a log."""
    longest = max(min(span_s, HOUR_S) / (2 * _FEWEST), WINDOWS_S[0])
    aim_s = min(PER_WINDOW * span_s / len(time_s), longest)
    tick_s = _tick_s(time_s)
    fitting = (
        [w for w in WINDOWS_S if w >= tick_s and abs(w / tick_s - round(w / tick_s)) < 1e-6] if tick_s else WINDOWS_S
    )
    return max((w for w in fitting if w <= aim_s), default=fitting[0])


def _tick_s(time_s: Floats) -> float:
    """The coarsest resolution in which all times are whole; 0 where they are finer than any."""
    return next((t for t in _TICKS_S if np.abs(time_s / t - np.round(time_s / t)).max() < 1e-4), 0.0)


def _off_line(counts: Floats) -> float:
    """The sum of squares of counts (hours, windows) about the straight line of each hour."""
    x = np.arange(counts.shape[1]) - (counts.shape[1] - 1) / 2
    off = counts - counts.mean(axis=1, keepdims=True)
    return float((off**2).sum() - ((off @ x) ** 2).sum() / (x @ x))
