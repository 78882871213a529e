"""The tables of a run that stand without code: its levels, what lies beside the headline, the server's counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretoken.bench.stats.repeats import repeated
from paretoken.report.numbers import shown
from paretoken.report.run.figures import (
    Summary,
    client,
    failed,
    half_width,
    interactivity,
    per_gpu,
    stat,
    stat_ms,
    steady,
)
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
    "Requests in it",
    "Requests/s",
    "In flight, mean",
    "TTFT p99 from sending, ms",
    "ISL, mean",
    "OSL, mean",
    "OSL asked",
    "Within SLOs, req/s",
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
)


def levels_grid(run: MeasuredRun) -> Grid:
    """The headline figures, of the steady window."""
    return _grid(run, HEADLINE, _headline)


def beside_grid(run: MeasuredRun) -> Grid:
    """Ramp, tail and whole run, the uncorrected TTFT, the lengths there were."""
    return _grid(run, BESIDE, _beside)


def repeats_grid(summaries: Sequence[Summary]) -> Grid | None:
    """The means of loads that were measured more than once, with the spread between runs; None without any."""
    found = repeated(summaries)
    if not found:
        return None
    heads = ("Runs", *(head for head, _, _ in REPEATS))
    rows = [
        (r["name"], (str(r["repeats"]), *(_mean(r["figures"][key], scale) for _, key, scale in REPEATS)), False)
        for r in found
    ]
    return Grid(heads, tuple(rows))


def _mean(spread: Mapping[str, Any], scale: float) -> str:
    """`1,234 ±1.2 %`: the mean and half of its 95 % interval."""
    mean = spread["mean"]
    if mean is None:
        return "–"
    half = (spread["high"] - spread["low"]) / 2 / mean if spread["high"] is not None and mean else None
    return shown(mean * scale, 4) + ("" if half is None else f" ±{half * 100:.1f}\u00a0%")


def intervals_grid(run: MeasuredRun) -> Grid:
    """Each latency with its 95 % interval within the run."""
    return _grid(run, tuple(head for head, _, _ in INTERVALS), _intervals)


def _intervals(s: Summary) -> tuple[str, ...]:
    found = s.get("intervals") or {}
    return tuple(_between(found.get(key), scale) for _, key, scale in INTERVALS)


def _between(interval: Mapping[str, Any] | None, scale: float) -> str:
    if not interval:
        return "–"
    value, low, high = (shown(interval[key] * scale) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def server_grid(run: MeasuredRun) -> Grid | None:
    """The server's counters; None where no level has any."""
    return _grid(run, SERVER, _server) if any(x.summary.get("server") for x in run.levels) else None


def _grid(run: MeasuredRun, heads: Sequence[str], cells_of) -> Grid:
    rows = [
        (name, cells_of(level.summary), bool(failed(level.summary)))
        for name, level in zip(run.names, run.levels, strict=True)
    ]
    return Grid(tuple(heads), tuple(rows))


def verdict(summary: Summary) -> str:
    """Whether the level is steady, in a word or three."""
    if failed(summary):
        return "failed"
    return "yes" if steady(summary) else "no" if summary["window"]["enough"] else "too short"


def percent_or_dash(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction * 100:.2g}\u00a0%"


def _headline(s: Summary) -> tuple[str, ...]:
    return (
        shown(per_gpu(s, "output"), 4),
        percent_or_dash(half_width(s)),
        shown(per_gpu(s, "total"), 4),
        shown(stat_ms(s, "ttft", "p50")),
        shown(stat_ms(s, "ttft", "p99")),
        shown(stat_ms(s, "tpot", "p50")),
        shown(stat_ms(s, "tpot", "p99")),
        shown(stat_ms(s, "itl", "p99")),
        shown(stat(s, "e2e", "p50")),
        shown(stat(s, "e2e", "p99")),
        shown(interactivity(s)),
        f"{s['errors']['failed']:,}",
        verdict(s),
        client(s),
    )


def _beside(s: Summary) -> tuple[str, ...]:
    lengths, good = s["lengths"], s.get("goodput") or {}
    return (
        shown(per_gpu(s, "output", "whole_run"), 4),
        shown(per_gpu(s, "output", "ramp"), 4),
        shown(per_gpu(s, "output", "tail"), 4),
        shown(s["window"]["seconds"]),
        f"{s['window']['requests']:,}",
        shown(s["throughput"]["window"]["requests_s"]),
        shown(s["window"]["mean_in_flight"]),
        _uncorrected(s),
        shown(lengths["mean_isl"], 4),
        shown(lengths["mean_osl"], 4),
        shown(lengths["planned_osl"], 4),
        shown(good.get("requests_s")),
    )


def _uncorrected(s: Summary) -> str:
    value = s["latency"]["uncorrected"]["ttft_s"]["p99"]
    return shown(None if value is None else value * 1000)


def _server(s: Summary) -> tuple[str, ...]:
    server = s.get("server") or {}
    gauges, delta = server.get("gauges") or {}, server.get("delta") or {}

    def gauge(name: str, statistic: str) -> float | None:
        return (gauges.get(name) or {}).get(statistic)

    return (
        shown(gauge("running", "mean")),
        shown(gauge("running", "max")),
        shown(gauge("waiting", "mean")),
        shown(gauge("waiting", "max")),
        _share(gauge("kv_cache_usage", "mean")),
        _share(gauge("kv_cache_usage", "max")),
        shown(delta.get("preemptions")),
        _share(delta.get("cache_hit_rate")),
        shown(delta.get("tokens_per_iteration")),
    )


def _share(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction * 100:.1f}\u00a0%"
