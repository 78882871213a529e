"""Intervals for figures of correlated samples: the circular moving-block bootstrap.

Samples that follow each other in time are alike (one slow step is in many of them), so intervals that take
them as independent are several times too narrow. Here whole blocks of neighbours are drawn with
replacement; their length is chosen from the autocorrelation (Politis and White 2004, corrected by Patton,
Politis and White 2009). A quantile is treated through the share of samples below it: the bootstrapped
share is turned back into a quantile of the samples (Woodruff 1952).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from paretoken.bench.stats.arrays import Floats, Mask

LEVEL = 0.95
REPLICATES = 1000
MIN_SAMPLES = 8
MAX_BLOCKS = 400
MAX_SERIES = 4000


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """A confidence interval of `level` around `value`, from n samples in order of time."""

    value: float
    low: float
    high: float
    level: float
    n: int

    @property
    def relative_half_width(self) -> float:
        """Half the width over the value; infinite where the value is 0."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else math.inf


def block_length(values: Floats) -> int:
    """Length of block that minimises the error of the variance, from the autocorrelation up to where it dies out."""
    n = len(values)
    centred = values - values.mean()
    if n < MIN_SAMPLES or not np.any(centred):
        return _clip(1, n)
    enough = max(5, math.ceil(math.sqrt(math.log10(n))))
    lags = min(math.ceil(math.sqrt(n)) + enough, n - 1)
    covariance = np.array([centred[: n - k] @ centred[k:] for k in range(lags + 1)]) / n
    small = np.abs(covariance[1:] / covariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    reach = min(2 * _dies_out(small, enough), lags)
    if reach == 0:
        return _clip(1, n)
    k = np.arange(-reach, reach + 1)
    taper = np.minimum(1.0, 2 * (1 - np.abs(k) / reach))
    terms = taper * covariance[np.abs(k)]
    total = terms.sum()
    if total <= 0:
        return _clip(reach, n)
    bias = (np.abs(k) * terms).sum()
    return _clip(math.ceil((2 * bias**2 / (4 / 3 * total**2)) ** (1 / 3) * n ** (1 / 3)), n)


def _dies_out(small: Mask, run: int) -> int:
    """The lag after which `run` autocorrelations in a row are small, else the last large one."""
    for start in range(len(small) - run + 1):
        if small[start : start + run].all():
            return start
    large = np.flatnonzero(~small)
    return int(large[-1]) + 1 if len(large) else 0


def _clip(length: int, n: int) -> int:
    """At least enough for at most 400 blocks, at most a fifth of the samples."""
    return max(1, math.ceil(n / MAX_BLOCKS), min(length, n // 5))


def mean_replicates(values: Floats | Mask, rng: np.random.Generator, replicates: int = REPLICATES) -> Floats:
    """Bootstrapped means around the mean of the values, shape (replicates,).

    Widened by the quantile of Student's t over the normal one for the number of blocks, since the spread
    among few blocks is itself uncertain.
    """
    centre = float(values.mean(dtype=float))
    values = batched(values)
    n = len(values)
    length = block_length(values)
    blocks = max(round(n / length), 2)
    sums = np.concatenate([values, values[: length - 1]]).cumsum()
    sums[length:] = sums[length:] - sums[:-length]
    means = sums[length - 1 :] / length
    drawn = means[rng.integers(0, n, (replicates, blocks))].mean(axis=1)
    replicated: Floats = centre + (drawn - values.mean()) * _widening(blocks)
    return replicated


def batched(values: Floats | Mask) -> Floats:
    """At most 4,000 means of equally many neighbours each; what is left over at the end is dropped."""
    each = max(math.ceil(len(values) / MAX_SERIES), 1)
    whole = len(values) // each * each
    means: Floats = values[:whole].reshape(-1, each).mean(axis=1, dtype=float)
    return means


def _widening(blocks: int) -> float:
    """Student's t over the normal quantile at 97.5 %, times √(m/(m−1)); by Cornish and Fisher's expansion."""
    z, v = 1.959964, blocks - 1
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    return t / z * math.sqrt(blocks / v)


def quantile_replicates(values: Floats, q: float, rng: np.random.Generator, replicates: int = REPLICATES) -> Floats:
    """Bootstrapped quantiles of the values, shape (replicates,): where more lie below, the quantile is lower."""
    ranked = np.sort(values)
    below: Mask = values <= _at(ranked, np.array(q))
    shares = mean_replicates(below, rng, replicates)
    return _at(ranked, np.clip(q - (shares - below.mean()), 0.0, 1.0))


def _at(ranked: Floats, q: Floats) -> Floats:
    """numpy's linear quantiles of sorted values, without sorting them again for each."""
    place = q * (len(ranked) - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(ranked) - 1)
    between: Floats = ranked[low] + (ranked[high].astype(float) - ranked[low]) * (place - low)
    return between


def mean_interval(values: Floats, rng: np.random.Generator) -> ConfidenceInterval | None:
    """The interval of the mean of values in order of time; None for fewer than 8."""
    values = _without_nan(values)
    if len(values) < MIN_SAMPLES:
        return None
    return _interval(float(values.mean(dtype=float)), mean_replicates(values, rng), values)


def quantile_interval(values: Floats, q: float, rng: np.random.Generator) -> ConfidenceInterval | None:
    """The interval of a quantile of values in order of time; None for fewer than 8."""
    values = _without_nan(values)
    if len(values) < MIN_SAMPLES:
        return None
    return _interval(float(np.quantile(values, q)), quantile_replicates(values, q, rng), values)


def _without_nan(values: Floats) -> Floats:
    missing = np.isnan(values)
    return values[~missing] if missing.any() else values


def _interval(value: float, drawn: Floats, values: Floats) -> ConfidenceInterval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ConfidenceInterval(value, float(low), float(high), LEVEL, len(values))
