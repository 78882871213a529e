"""Means and quantiles, with the number of samples each needs.

A quantile is numpy's `linear` definition (Hyndman and Fan's type 7): position q·(n − 1) among the sorted
samples, interpolated between neighbours. It is *supported* from the number of samples on whose largest exceeds the
true quantile with 95 % confidence, 1 − qⁿ ≥ 0.95: 29 samples for a p90, 59 for a p95, 299 for a p99. Fewer samples
have no upper bound for it, so nothing is judged or compared by it. Below that it is *thin*: a value, and no more.
Where less than one sample is expected above it, n·(1 − q) < 1, it is left out: the p99 of 71 samples is their maximum
by another name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretoken.bench.stats.arrays import Floats

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
POINT_NAMES = {"mean": "mean", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p999"}
"""Each statistic's name in the columns of an operating point."""

CONFIDENCE = 0.95
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Statistics of n samples; a quantile above which no sample is expected is None.

    `unsupported` are those quantiles, `thin` the others that have a value although n does not support them.
    """

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
    unsupported: tuple[str, ...] = ()
    thin: tuple[str, ...] = ()

    def statistic(self, name: str) -> float | None:
        """`mean`, `std`, `p50`, … by name."""
        value: float | None = getattr(self, name)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseDistribution:
    """1 / statistic: interactivity of TPOT. Its p99 is thus the slow tail, that of TPOT."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScarceQuantiles:
    """Quantiles that n samples of some metrics do not support, and whether they are left out or approximate."""

    metrics: tuple[str, ...]
    quantiles: tuple[str, ...]
    n: int
    word: Literal["left out", "approximate"]

    def __str__(self) -> str:
        least = ", ".join(f"{label(q)} needs {needed(QUANTILES[q]):,}" for q in self.quantiles)
        what = "gaps" if self.metrics == ("itl",) else "requests"
        metrics = ", ".join(metric.upper() for metric in self.metrics)
        return f"{metrics}: {least} {what} in the window, has {self.n:,}: {self.word}"


def shown(n: int, q: float) -> bool:
    """Whether the quantile of n samples is more than their maximum; the median of one sample is."""
    return n > 0 and (q <= 0.5 or n * (1 - q) >= 1 - 1e-9)


def supported(n: int, q: float) -> bool:
    """Whether n samples bound the quantile from above, so that something may be judged by it."""
    return n >= needed(q)


def needed(q: float) -> int:
    """The fewest samples that support the quantile; 1 for q 0."""
    return max(1, math.ceil(math.log(1 - CONFIDENCE) / math.log(q) - 1e-9)) if q > 0 else 1


def label(name: str) -> str:
    """`p99.9` for `p999`."""
    return "p99.9" if name == "p999" else name


def describe(values: Floats) -> Distribution:
    """The distribution of the values that are not NaN; `std` is that of the population, as vLLM reports it."""
    values = values[~np.isnan(values)]  # a copy, which the quantiles may then reorder
    n = len(values)
    unsupported = tuple(name for name, q in QUANTILES.items() if not shown(n, q))
    if not n:
        return Distribution(n=0, unsupported=unsupported)
    names = [name for name in QUANTILES if name not in unsupported]
    mean = float(values.mean(dtype=float))
    spread = math.sqrt(sum(float(np.square(values[k : k + _BLOCK] - mean).sum()) for k in range(0, n, _BLOCK)) / n)
    low, high = float(values.min()), float(values.max())
    cuts = np.quantile(values, [QUANTILES[name] for name in names], method="linear", overwrite_input=True)
    return Distribution(
        n=n,
        mean=mean,
        std=spread,
        min=low,
        max=high,
        unsupported=unsupported,
        thin=tuple(name for name in names if not supported(n, QUANTILES[name])),
        **dict(zip(names, map(float, cuts), strict=True)),
    )


def inverse(distribution: Distribution) -> InverseDistribution:
    """1 / statistic, by name; None where the statistic is None or 0."""
    values = {name: distribution.statistic(name) for name in ("mean", *QUANTILES)}
    return InverseDistribution(**{name: 1 / value if value else None for name, value in values.items()})


def scarce_quantiles(
    distributions: Mapping[str, Distribution], among: Collection[str] = QUANTILES
) -> Iterator[ScarceQuantiles]:
    """The quantiles `among` these names that metrics lack, together for those with equally many samples."""
    lacking: dict[tuple[Literal["left out", "approximate"], int, tuple[str, ...]], list[str]] = {}
    for metric, d in distributions.items():
        left_out = tuple(q for q in d.unsupported if q in among)
        approximate = tuple(q for q in d.thin if q in among)
        if d.n and left_out:
            lacking.setdefault(("left out", d.n, left_out), []).append(metric)
        if d.n and approximate:
            lacking.setdefault(("approximate", d.n, approximate), []).append(metric)
    for (word, n, quantiles), metrics in lacking.items():
        yield ScarceQuantiles(metrics=tuple(metrics), quantiles=quantiles, n=n, word=word)
