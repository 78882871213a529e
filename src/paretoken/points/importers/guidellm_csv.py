"""GuideLLM's `benchmarks.csv`: a row for each benchmark, turned into the report that `guidellm` reads.

Versions up to 0.3 write one line of names (`Successful Time to first token ms mean`), later ones three: the group, the
name, and the statistic or unit. Percentiles are one list from the minimum to the maximum. Later versions name a
strategy without its streams or its rate, which come from the profile, in the order of the runs.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime

from paretoken.errors import BadFile
from paretoken.points.importers import guidellm
from paretoken.points.importers.reading import LevelReading, dig
from paretoken.points.values import number

NAME = guidellm.NAME
ORIGIN = "measured"
_OLD = "Successful Time to first token ms mean"
_NEW = "Run Info,"
_GROUP = "Time to First Token"
_HEAD = 60_000
_METRICS = {
    "request_latency": ("Request Latency", "Sec"),
    "time_to_first_token_ms": (_GROUP, "ms"),
    "inter_token_latency_ms": ("Inter Token Latency", "ms"),
    "requests_per_second": ("Server Throughput", "Requests/Sec"),
    "prompt_token_count": ("Token Metrics", "Input Tokens"),
    "output_token_count": ("Token Metrics", "Output Tokens"),
    "prompt_tokens_per_second": ("Token Throughput", "Input Tokens/Sec"),
    "output_tokens_per_second": ("Token Throughput", "Output Tokens/Sec"),
    "tokens_per_second": ("Token Throughput", "Total Tokens/Sec"),
}
_OLD_PERCENTILES = "[min, 0.1, 1, 5, 10, 25, 75, 90, 95, 99, max]"
_PLACES = {"p90": 7, "p95": 8, "p99": 9}
"""Where a percentile stands in the list."""
_COUNTS = ("successful", "incomplete", "errored", "total")
_STRATEGY = re.compile(r"([a-z]+)(?:@([\d.]{1,20}|unlimited))?")
Row = dict[tuple[str, ...], str]
"""The value under each name, which is one word in old files and three in new ones."""


def detects_text(text: str) -> bool:
    """The times to the first token, under a header of one line or of three."""
    head = text[:_HEAD]
    return _OLD in head or (head.startswith(_NEW) and _GROUP in head)


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each benchmark."""
    table = _table(text, file)
    report: dict[str, object] = {"benchmarks": [_benchmark(row) for row in table]}
    if table:
        report["args"] = _json(table[0], ("Runtime Info", "Arguments", ""))
    return guidellm.rows(report, file)


def _table(text: str, file: str) -> list[Row]:
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if any(line)]
    except csv.Error as e:
        raise BadFile(f"{file} is not a CSV table: {e}") from e
    above = 3 if text.startswith(_NEW) else 1
    header = list(zip(*lines[:above], strict=False))
    for at, line in enumerate(lines[above:], start=1):
        if len(line) != len(header):
            raise BadFile(
                f"{file}: benchmark {at} has {len(line)} values under {len(header)} names; use the JSON report"
            )
    return [dict(zip(header, line, strict=True)) for line in lines[above:]]


def _benchmark(row: Row) -> dict[str, object]:
    """One row as a benchmark of the JSON report."""
    metrics: dict[str, object] = {name: {"successful": _statistics(row, name)} for name in _METRICS}
    metrics["request_totals"] = {
        status: row.get(("Request Counts", status.capitalize(), ""), row.get((f"{status.capitalize()} Requests",)))
        for status in _COUNTS
    }
    return {
        "metrics": metrics,
        "config": {"strategy": _strategy(row), "backend": _json(row, ("Run Info", "Backend", ""), ("Backend",))},
        "worker": {"backend_model": dig(_json(row, ("Backend",)), "model")},
        "request_loader": {"data": _json(row, ("Generator Data",))},
        "start_time": _unix(row.get(("Timings", "Start Time", ""), row.get(("Start Time",), ""))),
    }


def _statistics(row: Row, metric: str) -> dict[str, object]:
    group, unit = _METRICS[metric]
    old = f"Successful {metric.replace('_', ' ').capitalize()} "
    new = (group, f"Successful {unit}")
    percentiles = row.get((*new, "Percentiles"), row.get((old + _OLD_PERCENTILES,), ""))
    values = [number(v) for v in percentiles.strip("[] ").split(",")]
    return {
        "mean": row.get((*new, "Mean"), row.get((old + "mean",))),
        "median": row.get((*new, "Median"), row.get((old + "median",))),
        "percentiles": {p: values[place] for p, place in _PLACES.items() if place < len(values)},
    }


def _strategy(row: Row) -> dict[str, object]:
    """The scheduling strategy with its streams, its rate or its limit."""
    name = row.get(("Name",))
    if name is not None:
        match = _STRATEGY.fullmatch(name)
        return named_strategy(match[1], match[2]) if match else {}
    kind = row.get(("Benchmark", "Strategy", ""), "")
    profile, at = _json(row, ("Run Info", "Profile", "")), number(row.get(("Run Info", "Run Index", "")))
    run = int(at) if at is not None and at >= 0 else 0
    done = dig(profile, "completed_strategies", run)
    if dig(done, "type_") == kind and isinstance(done, dict):
        return done
    # A sweep runs one synchronous and one unlimited benchmark before those at a rate.
    rate = dig(profile, "measured_rates", run - 2) if run >= 2 else None
    return {
        "type_": kind,
        "streams": dig(profile, "streams", run),
        "rate": dig(profile, "rate", run) or rate,
        "max_concurrency": dig(profile, "max_concurrency"),
    }


def named_strategy(kind: str, figure: str | None) -> dict[str, object]:
    """The strategy of a name such as `concurrent@8`, `constant@2.50` or `throughput@unlimited`."""
    key = {"concurrent": "streams", "throughput": "max_concurrency"}.get(kind, "rate")
    return {"type_": kind, key: None if figure == "unlimited" else figure}


def _json(row: Row, *names: tuple[str, ...]) -> object:
    """The JSON in the first of these columns that there is; text that is none as it stands."""
    text = next((row[name] for name in names if name in row), None)
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text


def _unix(stamp: str) -> float | None:
    """Unix seconds of `2025-08-01 10:00:00`; the zone is not stated, and only the day is kept."""
    try:
        return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
