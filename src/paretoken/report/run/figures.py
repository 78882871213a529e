"""The figures of one level's summary, by short names."""

from __future__ import annotations

from typing import Literal

from paretoken.bench.stats.level_summary import LevelSummary

Metric = Literal["ttft", "tpot", "itl", "e2e"]
Side = Literal["output", "total", "input"]
Part = Literal["window", "whole_run", "ramp", "tail"]


def statistic(summary: LevelSummary, metric: Metric, name: str) -> float | None:
    """A latency in seconds: `statistic(s, "ttft", "p99")`."""
    return summary.latency.by_metric[metric].statistic(name)


def statistic_ms(summary: LevelSummary, metric: Metric, name: str) -> float | None:
    """The same in milliseconds."""
    value = statistic(summary, metric, name)
    return None if value is None else value * 1000


def interactivity(summary: LevelSummary) -> float | None:
    """Tokens per second of the median request."""
    return summary.latency.interactivity_tok_s.p50


def per_gpu(summary: LevelSummary, side: Side, part: Part = "window") -> float | None:
    """Tokens per second and GPU over a part of the level."""
    spans = summary.throughput
    span = {"window": spans.window, "whole_run": spans.whole_run, "ramp": spans.ramp, "tail": spans.tail}[part]
    rates = {"output": span.output_tok_s_per_gpu, "total": span.total_tok_s_per_gpu, "input": span.input_tok_s_per_gpu}
    return rates[side]


def interval_per_gpu(summary: LevelSummary, side: Side) -> tuple[float, float] | None:
    """The 95 % interval of that, over the window."""
    interval, n = summary.intervals.get(f"{side}_tok_s"), summary.n_gpus
    return None if interval is None else (interval.low / n, interval.high / n)


def half_width(summary: LevelSummary) -> float | None:
    """Half of the 95 % interval of output throughput, as a share of it."""
    interval, value = interval_per_gpu(summary, "output"), per_gpu(summary, "output")
    return (interval[1] - interval[0]) / 2 / value if interval and value else None


def client(summary: LevelSummary) -> str:
    """`ok`, `limited`, or a dash where the level holds no measurements of the client."""
    return "limited" if summary.client_limited else "ok" if summary.fidelity else "–"


def sound(summary: LevelSummary) -> bool:
    """Whether the level counts, is steady, and was not limited by the client."""
    return not summary.failed and summary.window.steady and not summary.client_limited
