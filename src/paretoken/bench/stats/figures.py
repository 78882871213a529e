"""What is compared between runs: measured levels, and the figures taken from each as series of samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from paretoken.bench.plan import Closed, Load, LoadRecord, Open
from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.bootstrap import MIN_SAMPLES, mean_replicates, quantile_replicates
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.level_summary import LevelSummary, WindowSummary
from paretoken.bench.stats.metrics import Samples, sample
from paretoken.bench.stats.precision import BINS
from paretoken.bench.stats.quantiles import supported
from paretoken.bench.stats.steady import Window, latency_mask
from paretoken.bench.stats.throughput import output_rates, smooth_input_rates

REPLICATES = 4000


@dataclass(frozen=True, slots=True, eq=False)
class ComparedLevel:
    """One measured load level: its arrays, its window, its summary."""

    samples: Samples
    window: Window
    load: Load
    summary: LevelSummary

    @property
    def key(self) -> tuple[str, float]:
        """The load, by which levels of two runs are matched."""
        return self.summary.load.kind, self.summary.load.size

    @property
    def done(self) -> Mask:
        """The complete requests of the window."""
        return latency_mask(self.samples, self.window, self.load) & self.samples.ok

    def rates(self, which: Callable[[Samples, int, int, int], Floats]) -> Floats:
        """Tokens per second in bins of the window; none where nothing succeeded, or output tokens are unknown."""
        if not self.window.seconds or self.samples.uncounted.any():
            return np.zeros(0)
        return which(self.samples, self.window.start_ns, self.window.end_ns, BINS)


def compared_level(requests: pl.DataFrame, summary: LevelSummary) -> ComparedLevel:
    """The level of a summary with its records."""
    return ComparedLevel(sample(requests), window_of(summary.window), load_of(summary.load), summary)


def window_of(window: WindowSummary) -> Window:
    """The window of a summary as the functions over samples take it."""
    return Window(
        start_ns=round(window.start_s / NS),
        end_ns=round(window.end_s / NS),
        steady=window.steady,
        reason=window.reason,
    )


def load_of(load: LoadRecord) -> Load:
    """The load of a summary; the arrivals of an open loop are not needed to choose requests."""
    return Closed(load.users or 0, load.think_s or 0.0) if load.kind == "closed" else Open(np.zeros(0), load.size)


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure that is compared: the series it is taken from, and the statistic (a quantile, or None: the mean).

    `unit` is that of its values: `s`, or `tok/s` of the whole deployment.
    """

    name: str
    series: Callable[[ComparedLevel], Floats]
    quantile: float | None = None
    higher_is_better: bool = False
    unit: str = "s"

    def value(self, level: ComparedLevel) -> float | None:
        values = self._clean(level)
        if len(values) < MIN_SAMPLES or (self.quantile is not None and not supported(len(values), self.quantile)):
            return None
        return float(values.mean() if self.quantile is None else np.quantile(values, self.quantile))

    def samples(self, level: ComparedLevel) -> int:
        """How many samples the level has of it."""
        return len(self._clean(level))

    def replicates(self, level: ComparedLevel, rng: np.random.Generator) -> Floats:
        values = self._clean(level)
        if self.quantile is None:
            return mean_replicates(values, rng, REPLICATES)
        return quantile_replicates(values, self.quantile, rng, REPLICATES)

    def _clean(self, level: ComparedLevel) -> Floats:
        values = self.series(level)
        return values[~np.isnan(values)]


def _ttft(level: ComparedLevel) -> Floats:
    values: Floats = level.samples.ttft_s[level.done]
    return values


def _tpot(level: ComparedLevel) -> Floats:
    values: Floats = level.samples.tpot_s[level.done]
    return values


def _e2e(level: ComparedLevel) -> Floats:
    values: Floats = level.samples.e2e_s[level.done]
    return values


def _output(level: ComparedLevel) -> Floats:
    return level.rates(output_rates)


def _total(level: ComparedLevel) -> Floats:
    rates: Floats = level.rates(output_rates) + level.rates(smooth_input_rates)
    return rates


FIGURES = (
    ComparedFigure("output throughput", _output, higher_is_better=True, unit="tok/s"),
    ComparedFigure("total throughput", _total, higher_is_better=True, unit="tok/s"),
    ComparedFigure("mean TTFT", _ttft),
    ComparedFigure("median TTFT", _ttft, 0.5),
    ComparedFigure("p99 TTFT", _ttft, 0.99),
    ComparedFigure("median TPOT", _tpot, 0.5),
    ComparedFigure("p99 TPOT", _tpot, 0.99),
    ComparedFigure("median E2E", _e2e, 0.5),
    ComparedFigure("p99 E2E", _e2e, 0.99),
)
