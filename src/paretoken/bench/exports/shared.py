"""What both forms share: the statistics of a level under the names of vLLM's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATISTICS = {"mean": "mean", "std": "std", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p99.9"}
METRICS = {"ttft_s": "ttft", "tpot_s": "tpot", "itl_s": "itl", "e2e_s": "e2el"}


def latencies(summary: Mapping[str, Any], over: str, suffix: str, factor: float) -> dict[str, float]:
    """`mean_ttft…` to `p99.9_e2el…` in seconds × factor; what the samples do not support is left out."""
    found = (summary["whole_run"] if over == "whole_run" else summary)["latency"]
    return {
        f"{theirs}_{metric}{suffix}": found[key][ours] * factor
        for key, metric in METRICS.items()
        for ours, theirs in STATISTICS.items()
        if found[key][ours] is not None
    }


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that are not known."""
    return {key: value for key, value in values.items() if value is not None}
