"""Whether a series drifts: the Mann-Kendall test with Sen's slope.

The test asks only for a direction, so it holds for any distribution of the noise; the slope is the median of
all pairwise slopes, so single outliers do not move it (Mann 1945, Kendall 1975, Sen 1968).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.arrays import Floats

IN_FLIGHT = "requests in flight"
MAX_DRIFT, SIGNIFICANT = 0.05, 0.01
"""Relative change over a window from which a trend counts, if chance is less likely than this."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of one figure: change over the whole series relative to its mean, and how likely by chance."""

    name: str
    change: float
    p_value: float

    @property
    def direction(self) -> str:
        return "rising" if self.change > 0 else "falling"


def trend(name: str, values: Floats) -> Drift:
    """The trend of equally spaced values; fewer than 4, or a mean of 0, show none."""
    values = values[np.isfinite(values)]
    mean = float(values.mean()) if len(values) else 0.0
    if len(values) < 4 or mean == 0.0:
        return Drift(name, 0.0, 1.0)
    i, j = np.triu_indices(len(values), k=1)
    differences = values[j] - values[i]
    slope = float(np.median(differences / (j - i)))
    return Drift(name, slope * len(values) / abs(mean), _mann_kendall(differences, values))


def _mann_kendall(differences: Floats, values: Floats) -> float:
    """Two-sided p of S = Σ sign(x_j − x_i) by its normal form, with the correction for ties."""
    n = len(values)
    score = float(np.sign(differences).sum())
    ties = np.unique(values, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0 or score == 0:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
