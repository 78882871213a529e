"""The tables of a run: its levels, secondary figures, the server's metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paretoken.bench.stats.bootstrap import ConfidenceInterval
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.repeats import RunSpread, repeated
from paretoken.bench.stats.scrape import GaugeStatistics, ServerMetrics
from paretoken.report.numbers import shown
from paretoken.report.run.figures import client, half_width, interactivity, per_gpu, statistic, statistic_ms
from paretoken.report.run.reading import MeasuredRun


@dataclass(frozen=True, slots=True)
class Grid:
    """Headings after the first, which is the load; rows of (name, cells, doubtful)."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], bool], ...]


HEADLINE = (
    "Output tok/s/GPU",
    "±95 %",
    "Total tok/s/GPU",
    "TTFT p50, ms",
    "TTFT p99, ms",
    "TPOT p50, ms",
    "TPOT p99, ms",
    "ITL p99, ms",
    "E2E p50, s",
    "E2E p99, s",
    "tok/s/user",
    "Errors",
    "Steady",
    "Client",
)
BESIDE = (
    "Whole run, output tok/s/GPU",
    "Ramp",
    "Tail",
    "Window, s",
    "Requests in the window",
    "Requests/s",
    "In flight, mean",
    "TTFT p99 from send, ms",
    "ISL, mean",
    "OSL, mean",
    "OSL planned",
    "Goodput, req/s",
)
REPEATS = (
    ("Output tok/s/GPU", "output_tput_per_gpu_tok_s", 1.0),
    ("Total tok/s/GPU", "total_tput_per_gpu_tok_s", 1.0),
    ("TTFT p50, ms", "median_ttft_s", 1e3),
    ("TTFT p99, ms", "p99_ttft_s", 1e3),
    ("TPOT p50, ms", "median_tpot_s", 1e3),
    ("ITL p99, ms", "p99_itl_s", 1e3),
    ("E2E p50, s", "median_e2e_s", 1.0),
)
"""Heading, column of an operating point, and the factor to the heading's unit."""
INTERVALS = (
    ("TTFT p50, ms", "median_ttft_s", 1e3),
    ("TTFT p99, ms", "p99_ttft_s", 1e3),
    ("TPOT p50, ms", "median_tpot_s", 1e3),
    ("TPOT p99, ms", "p99_tpot_s", 1e3),
    ("ITL p50, ms", "median_itl_s", 1e3),
    ("ITL p99, ms", "p99_itl_s", 1e3),
    ("E2E p50, s", "median_e2e_s", 1.0),
    ("tok/s/user", "median_interactivity_tok_s", 1.0),
)
SERVER = (
    "Running, mean",
    "max",
    "Waiting, mean",
    "max",
    "KV cache in use, mean",
    "max",
    "Preemptions",
    "Prefix-cache hits",
    "Tokens per step",
    "Acceptance length",
)


def levels_grid(run: MeasuredRun) -> Grid:
    """The headline figures, of the steady window."""
    return _grid(run, HEADLINE, _headline)


def beside_grid(run: MeasuredRun) -> Grid:
    """Ramp, tail and whole run, the uncorrected TTFT, the lengths there were."""
    return _grid(run, BESIDE, _beside)


def repeats_grid(summaries: Sequence[LevelSummary]) -> Grid | None:
    """The means of loads that were measured more than once, with the spread between runs; None without any."""
    loads = repeated(summaries)
    if not loads:
        return None
    heads = ("Runs", *(head for head, _, _ in REPEATS))
    rows = [
        (r.name, (str(r.repeats), *(_mean(r.figures[key], scale) for _, key, scale in REPEATS)), False) for r in loads
    ]
    return Grid(heads, tuple(rows))


def _mean(spread: RunSpread, scale: float) -> str:
    """`1,234 ±1.2 %`: the mean and half of its 95 % interval."""
    mean, low, high = spread.mean, spread.low, spread.high
    if mean is None:
        return "–"
    half = (high - low) / 2 / mean if high is not None and low is not None and mean else None
    return shown(mean * scale, 4) + ("" if half is None else f" ±{half * 100:.1f}\u00a0%")


def intervals_grid(run: MeasuredRun) -> Grid:
    """Each latency with its 95 % interval within the run."""
    return _grid(run, tuple(head for head, _, _ in INTERVALS), _intervals)


def _intervals(s: LevelSummary) -> tuple[str, ...]:
    return tuple(_between(s.intervals.get(key), scale) for _, key, scale in INTERVALS)


def _between(interval: ConfidenceInterval | None, scale: float) -> str:
    if interval is None:
        return "–"
    value, low, high = (shown(x * scale) for x in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"


def server_grid(run: MeasuredRun) -> Grid | None:
    """The server's metrics; None where no level has any."""
    return _grid(run, SERVER, _server) if any(s.server for s in run.summaries) else None


def _grid(run: MeasuredRun, heads: Sequence[str], cells_of: Callable[[LevelSummary], tuple[str, ...]]) -> Grid:
    rows = [(name, cells_of(s), bool(s.failed)) for name, s in zip(run.names, run.summaries, strict=True)]
    return Grid(tuple(heads), tuple(rows))


def verdict(summary: LevelSummary) -> str:
    """Whether the level is steady, in a word or two."""
    if summary.failed:
        return "failed"
    return "yes" if summary.window.steady else "no" if summary.window.enough else "too short"


def percent_or_dash(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction * 100:.2g}\u00a0%"


def _headline(s: LevelSummary) -> tuple[str, ...]:
    return (
        shown(per_gpu(s, "output"), 4),
        percent_or_dash(half_width(s)),
        shown(per_gpu(s, "total"), 4),
        shown(statistic_ms(s, "ttft", "p50")),
        shown(statistic_ms(s, "ttft", "p99")),
        shown(statistic_ms(s, "tpot", "p50")),
        shown(statistic_ms(s, "tpot", "p99")),
        shown(statistic_ms(s, "itl", "p99")),
        shown(statistic(s, "e2e", "p50")),
        shown(statistic(s, "e2e", "p99")),
        shown(interactivity(s)),
        f"{s.errors.failed:,}",
        verdict(s),
        client(s),
    )


def _beside(s: LevelSummary) -> tuple[str, ...]:
    uncorrected = s.latency.uncorrected.ttft_s.p99
    return (
        shown(per_gpu(s, "output", "whole_run"), 4),
        shown(per_gpu(s, "output", "ramp"), 4),
        shown(per_gpu(s, "output", "tail"), 4),
        shown(s.window.seconds),
        f"{s.window.requests:,}",
        shown(s.throughput.window.requests_s),
        shown(s.window.mean_in_flight),
        shown(None if uncorrected is None else uncorrected * 1000),
        shown(s.lengths.mean_isl, 4),
        shown(s.lengths.mean_osl, 4),
        shown(s.lengths.planned_osl, 4),
        shown(s.goodput.requests_s if s.goodput else None),
    )


def _server(s: LevelSummary) -> tuple[str, ...]:
    metrics = s.server or ServerMetrics()
    gauges, delta = metrics.gauges, metrics.delta

    def pair(gauge: GaugeStatistics | None, text: Callable[[float | None], str]) -> tuple[str, str]:
        return text(gauge.mean if gauge else None), text(gauge.max if gauge else None)

    return (
        *pair(gauges.running, shown),
        *pair(gauges.waiting, shown),
        *pair(gauges.kv_cache_usage, _share),
        shown(delta.preemptions),
        _share(delta.cache_hit_rate),
        shown(delta.tokens_per_iteration),
        shown(s.speculation.acceptance_length if s.speculation else None),
    )


def _share(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction * 100:.1f}\u00a0%"
