"""Means and quantiles, with the number of samples each needs.

A quantile is numpy's `linear` definition (Hyndman and Fan's type 7): position q·(n − 1) among the sorted
samples, interpolated between neighbours. It is *supported* where at least one sample is expected above it,
n·(1 − q) ≥ 1: the p99 of 71 samples is their maximum by another name. It is *thin* where fewer than 5
are expected there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
POINT_NAMES = {"mean": "mean", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p999"}
"""Each statistic's name in the columns of an operating point."""

THIN = 5
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Distribution:
    """Statistics of n samples; a quantile that n does not support is None."""

    n: int
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None

    @property
    def unsupported(self) -> tuple[str, ...]:
        """The quantiles that n is too small for."""
        return tuple(name for name, q in QUANTILES.items() if not supported(self.n, q))

    @property
    def thin(self) -> tuple[str, ...]:
        """The quantiles given, with fewer than 5 samples expected above them."""
        return tuple(name for name, q in QUANTILES.items() if supported(self.n, q) and above(self.n, q) < THIN)

    def as_dict(self) -> dict[str, Any]:
        """The statistics by name, with `unsupported` and `thin`."""
        names = ("n", "mean", "std", "min", "max", *QUANTILES)
        return {name: getattr(self, name) for name in names} | {
            "unsupported": list(self.unsupported),
            "thin": list(self.thin),
        }


def above(n: int, q: float) -> float:
    """Samples of n expected above the quantile."""
    return n * (1 - q)


def supported(n: int, q: float) -> bool:
    """Whether n samples say anything about the quantile; the median needs one, whatever n."""
    return n > 0 and (q <= 0.5 or above(n, q) >= 1 - 1e-9)


def needed(q: float) -> int:
    """The fewest samples that support the quantile."""
    return math.ceil(1 / (1 - q) - 1e-6)


def describe(values: np.ndarray) -> Distribution:
    """The distribution of the values that are not NaN; `std` is that of the population, as vLLM reports it."""
    values = values[~np.isnan(values)]  # a copy, which the quantiles may then reorder
    n = len(values)
    if not n:
        return Distribution(0)
    names = [name for name, q in QUANTILES.items() if supported(n, q)]
    mean = float(values.mean(dtype=float))
    spread = math.sqrt(sum(float(np.square(values[k : k + _BLOCK] - mean).sum()) for k in range(0, n, _BLOCK)) / n)
    low, high = float(values.min()), float(values.max())
    found = np.quantile(values, [QUANTILES[name] for name in names], method="linear", overwrite_input=True)
    return Distribution(n, mean, spread, low, high, **dict(zip(names, map(float, found), strict=True)))


def inverse(distribution: Distribution) -> dict[str, float | None]:
    """1 / statistic, by name: interactivity of TPOT. p99 is thus the slow tail, that of TPOT."""
    names = ("mean", *QUANTILES)
    values = {name: getattr(distribution, name) for name in names}
    return {name: 1 / value if value else None for name, value in values.items()}
