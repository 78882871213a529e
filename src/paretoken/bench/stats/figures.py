"""What is compared between runs: measured levels, and the figures taken from each as series of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from paretoken.bench.plan import Closed, Load, Open
from paretoken.bench.stats.bootstrap import MIN_SAMPLES, mean_replicates, quantile_replicates
from paretoken.bench.stats.metrics import NS, Samples, sample
from paretoken.bench.stats.precision import BINS
from paretoken.bench.stats.quantiles import THIN, above
from paretoken.bench.stats.steady import Window, latency_mask
from paretoken.bench.stats.throughput import input_rates, output_rates

REPLICATES = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One measured load level: its arrays, its window, its summary."""

    samples: Samples
    window: Window
    load: Load
    summary: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, float]:
        """The load, by which levels of two runs are matched."""
        asked = self.summary["load"]
        return asked["kind"], float(asked.get("users", asked.get("rate", 0)))

    @property
    def errors(self) -> tuple[int, int]:
        """How many requests failed, of how many."""
        return self.summary["errors"]["failed"], self.summary["errors"]["requests"]

    @property
    def done(self) -> np.ndarray:
        """The complete requests of the window."""
        return latency_mask(self.samples, self.window, self.load) & self.samples.ok

    def rates(self, which: Callable[[Samples, int, int, int], np.ndarray]) -> np.ndarray:
        if not self.window.seconds:  # nothing succeeded
            return np.zeros(0)
        return which(self.samples, self.window.start_ns, self.window.end_ns, BINS)


def level(requests: pl.DataFrame, summary: Mapping[str, Any]) -> Level:
    """The level that `summarise` summed up so, from its records."""
    said, asked = summary["window"], summary["load"]
    window = Window(round(said["start_s"] / NS), round(said["end_s"] / NS), said["steady"], said["reason"])
    closed = asked["kind"] == "closed"
    load: Load = Closed(asked["users"], asked["think_s"]) if closed else Open(np.zeros(0), asked["rate"])
    return Level(sample(requests), window, load, summary)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that is compared: the series it is taken from, and the statistic (a quantile, or None: the mean)."""

    name: str
    series: Callable[[Level], np.ndarray]
    quantile: float | None = None
    higher_is_better: bool = False

    def value(self, at: Level) -> float | None:
        values = self._clean(at)
        if len(values) < MIN_SAMPLES or (self.quantile is not None and above(len(values), self.quantile) < THIN):
            return None
        return float(values.mean() if self.quantile is None else np.quantile(values, self.quantile))

    def replicates(self, at: Level, rng: np.random.Generator) -> np.ndarray:
        values = self._clean(at)
        if self.quantile is None:
            return mean_replicates(values, rng, REPLICATES)
        return quantile_replicates(values, self.quantile, rng, REPLICATES)

    def _clean(self, at: Level) -> np.ndarray:
        values = self.series(at)
        return values[~np.isnan(values)]


def _ttft(at: Level) -> np.ndarray:
    return at.samples.ttft_s[at.done]


def _tpot(at: Level) -> np.ndarray:
    return at.samples.tpot_s[at.done]


def _e2e(at: Level) -> np.ndarray:
    return at.samples.e2e_s[at.done]


def _output(at: Level) -> np.ndarray:
    return at.rates(output_rates)


def _total(at: Level) -> np.ndarray:
    return at.rates(output_rates) + at.rates(input_rates)


FIGURES = (
    Figure("output throughput", _output, higher_is_better=True),
    Figure("total throughput", _total, higher_is_better=True),
    Figure("mean TTFT", _ttft),
    Figure("median TTFT", _ttft, 0.5),
    Figure("p99 TTFT", _ttft, 0.99),
    Figure("median TPOT", _tpot, 0.5),
    Figure("p99 TPOT", _tpot, 0.99),
    Figure("median E2E", _e2e, 0.5),
)
