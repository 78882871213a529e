"""AIPerf's `profile_export.jsonl`: a line for each request, put together to one point.

Percentiles are interpolated between requests, as AIPerf does; ITL is over the gaps of all requests. Throughput is of
the requests that succeeded, from the first start to the last end. Warm-up requests are left out. The load, the model
and the lengths asked for are not in the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paretoken.points.importers.figures import lengths, merged, statistics
from paretoken.points.importers.reading import LevelCounts, LevelReading, Parsed, dig, entries, first
from paretoken.points.values import number

NAME = "AIPerf records"
ORIGIN = "measured"
_LATENCIES = {
    "time_to_first_token": "ttft",
    "inter_token_latency": "tpot",
    "inter_chunk_latency": "itl",
    "request_latency": "e2e",
}
_SIDES = {"isl": "input", "osl": "output"}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
_PERCENTILES = {"median": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}

Record = dict[str, object]


def detects(parsed: Parsed) -> bool:
    """Metrics of one request, with the time it was sent."""
    record = first(parsed)
    return isinstance(record.get("metrics"), dict) and dig(record, "metadata", "request_start_ns") is not None


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading: a file is one run."""
    records = [r for r in entries(parsed) if dig(r, "metadata", "benchmark_phase") in (None, "profiling")]
    good = [r for r in records if not r.get("error")]
    if not records:
        return [LevelReading(1, refused="has no request of the measured phase")]
    tokens = {side: [*_values(good, f"{word}_sequence_length")] for side, word in _SIDES.items()}
    means = lengths({side: float(np.mean(values)) if values else None for side, values in tokens.items()})
    latencies: dict[str, object] = {}
    for name, ours in _LATENCIES.items():
        latencies |= _statistics([*_values(good, name)], ours)
    duration = _duration(good)
    totals = {name: sum(tokens[side]) / duration if duration else None for side, name in _SIDES.items()}
    whole = len(tokens["isl"]) == len(tokens["osl"]) == len(good) and duration
    totals["total"] = sum(totals[name] or 0.0 for name in _SIDES.values()) if whole else None
    stated = merged(means, latencies, {"date": _day(good)})
    counts = LevelCounts(completed=len(good), failed=len(records) - len(good))
    return [LevelReading(1, stated, totals, counts=counts)]


def _values(records: list[Record], name: str) -> Iterator[float]:
    """Every value of a metric, in seconds where it is a time; a metric may be a list for each request."""
    for record in records:
        metric = dig(record, "metrics", name)
        value, factor = dig(metric, "value"), _SECONDS.get(str(dig(metric, "unit")), 1.0)
        for item in value if isinstance(value, list) else [value]:
            amount = number(item)
            if amount is not None and amount >= 0:
                yield amount * factor


def _statistics(values: list[float], metric: str) -> dict[str, object]:
    if not values:
        return {}
    points = np.percentile(values, list(_PERCENTILES.values())).tolist()
    block = {"mean": float(np.mean(values)), **dict(zip(_PERCENTILES, points, strict=True))}
    return statistics(block, metric, 1.0)


def _times(records: list[Record], name: str) -> list[float]:
    return [t for r in records if (t := number(dig(r, "metadata", f"request_{name}_ns"))) is not None]


def _duration(records: list[Record]) -> float | None:
    """Seconds from the first start to the last end, None unless positive."""
    starts, ends = _times(records, "start"), _times(records, "end")
    seconds = (max(ends) - min(starts)) * 1e-9 if starts and ends else 0.0
    return seconds if seconds > 0 else None


def _day(records: list[Record]) -> str | None:
    starts = [t for t in _times(records, "start") if 1e18 < t < 4e18]
    return str(np.datetime64(int(min(starts)), "ns"))[:10] if starts else None
