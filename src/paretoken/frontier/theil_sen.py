"""The Theil–Sen slope with its interval (Sen 1968), as `scipy.stats.theilslopes`, which takes half a second to load."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

LEVEL = 0.9
"""Of the interval of a slope."""


def theil_sen(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """(the median slope of all pairs, the low end of its interval, the high end); x must not be all the same."""
    dx, dy = x[:, np.newaxis] - x, y[:, np.newaxis] - y
    slopes = np.sort(dy[dx > 0] / dx[dx > 0])
    n, pairs = len(y), len(slopes)
    variance = 1 / 18.0 * (n * (n - 1) * (2 * n + 5) - _ties(x) - _ties(y))
    half_width = -float(ndtri((1.0 - LEVEL) / 2.0)) * np.sqrt(variance)
    high = min(round((pairs + half_width) / 2.0), pairs - 1)
    low = max(round((pairs - half_width) / 2.0) - 1, 0)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def _ties(values: npt.NDArray[np.float64]) -> float:
    """What equal values take from the variance."""
    _, counts = np.unique(values, return_counts=True)
    return float(sum(k * (k - 1) * (2 * k + 5) for k in counts if k > 1))
