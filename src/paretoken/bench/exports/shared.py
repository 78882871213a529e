"""What both forms share: the statistics of a level under the names of vLLM's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.throughput import SpanThroughput

Span = Literal["window", "whole_run"]
STATISTICS = {"mean": "mean", "std": "std", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p99.9"}
METRICS = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2el"}


def latencies(summary: LevelSummary, over: Span, suffix: str, factor: float) -> dict[str, float]:
    """`mean_ttft…` to `p99.9_e2el…` in seconds × factor; what the samples do not support is left out."""
    by_metric = (summary.whole_run.latency if over == "whole_run" else summary.latency).by_metric
    return {
        f"{theirs}_{metric}{suffix}": value * factor
        for ours_metric, metric in METRICS.items()
        for ours, theirs in STATISTICS.items()
        if (value := by_metric[ours_metric].statistic(ours)) is not None
    }


def amounts(summary: LevelSummary, over: Span) -> SpanThroughput:
    """The throughput of that span."""
    return summary.throughput.whole_run if over == "whole_run" else summary.throughput.window


def without_none(values: Mapping[str, object]) -> dict[str, object]:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}
