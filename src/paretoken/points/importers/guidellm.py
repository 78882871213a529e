"""GuideLLM's `benchmarks.json`, of 0.2-0.3, of 0.4-0.7 and of 0.8: one benchmark for each load level.

GuideLLM's `inter_token_latency_ms` is (last − first token) / (tokens − 1) of each request, weighted by
tokens: the TPOT of this project. Its `time_per_output_token_ms` divides by all tokens, with or without the
wait for the first by version, so it is not read; gaps between chunks are not stated at all.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from paretoken.plural import counted
from paretoken.points.importers.reading import LevelCounts, LevelReading, Parsed, dig, first, in_flight, joined, scaled
from paretoken.points.values import number

_SIDES = {"isl": "prompt", "osl": "output"}
NAME = "GuideLLM"
ORIGIN = "measured"
_LATENCIES = {
    "time_to_first_token_ms": ("ttft", 1e-3),
    "inter_token_latency_ms": ("tpot", 1e-3),
    "request_latency": ("e2e", 1.0),
}
_THROUGHPUT = {
    "total": "tokens_per_second",
    "input": "prompt_tokens_per_second",
    "output": "output_tokens_per_second",
}
_PERCENTILES = {"p90": "p90", "p95": "p95", "p99": "p99", "p999": "p999"}


def detects(parsed: Parsed) -> bool:
    """A list of benchmarks with distributions split by the requests' status."""
    return dig(first(parsed), "benchmarks", 0, "metrics", "requests_per_second", "successful") is not None


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each benchmark."""
    report = first(parsed)
    benchmarks = report["benchmarks"]
    listed = benchmarks if isinstance(benchmarks, list) else []
    return [_reading(at, report, benchmark) for at, benchmark in enumerate(listed, start=1)]


def _reading(at: int, report: dict[str, object], benchmark: object) -> LevelReading:
    metrics = dig(benchmark, "metrics")
    means = {f"mean_{s}": _successful(metrics, f"{word}_token_count", "mean") for s, word in _SIDES.items()}
    load = _load(dig(benchmark, "config", "strategy") or dig(benchmark, "args", "strategy"))
    requests = dig(metrics, "request_totals") or dig(benchmark, "request_totals")
    cut = number(dig(requests, "incomplete"))
    stated = {
        **_lengths(_data(report, benchmark)),
        **{key: value for key, value in means.items() if value is not None},
        **load,
        **_latencies(metrics),
        "model": _model(report, benchmark),
        "date": _date(dig(benchmark, "start_time")),
        "source_ref": f"benchmark {at}",
        "notes": joined(f"{counted(cut, 'request')} cut off by the end" if cut else None, load.get("notes")),
    }
    totals = {side: _successful(metrics, name, "mean") for side, name in _THROUGHPUT.items()}
    counts = LevelCounts(completed=dig(requests, "successful"), failed=dig(requests, "errored"))
    return LevelReading(at, stated, totals, counts=counts)


def _successful(metrics: object, name: str, *path: str) -> object:
    return dig(metrics, name, "successful", *path)


def _latencies(metrics: object) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name, (ours, factor) in _LATENCIES.items():
        values = {stat: _successful(metrics, name, stat) for stat in ("mean", "median")}
        values |= {stat: _successful(metrics, name, "percentiles", key) for key, stat in _PERCENTILES.items()}
        columns |= {f"{stat}_{ours}_s": scaled(v, factor) for stat, v in values.items() if v is not None}
    return columns


def _load(strategy: object) -> dict[str, object]:
    """The scheduling strategy as a load; throughput with a limit is a closed loop at that limit."""
    kind, limit, rate = (dig(strategy, key) for key in ("type_", "max_concurrency", "rate"))
    if kind == "synchronous":
        return {"load_kind": "closed", "concurrency": 1}
    if kind == "concurrent":
        return {"load_kind": "closed", "concurrency": dig(strategy, "streams")}
    if kind == "throughput":
        return {"load_kind": "closed", "concurrency": limit} if limit else {"load_kind": "offline"}
    if kind not in ("constant", "poisson", "trace"):
        return {}
    notes = {"notes": f"at most {in_flight(limit)}"} if limit else {}
    return {"load_kind": "open", **({"request_rate": rate} if rate is not None else {}), **notes}


def _model(report: dict[str, object], benchmark: object) -> object:
    """The model, where each version keeps it."""
    places = (
        dig(benchmark, "worker", "backend_model"),
        dig(benchmark, "config", "backend", "model"),
        dig(report, "config", "spec", "backend", "model"),
        dig(report, "args", "model"),
    )
    return next((p for p in places if isinstance(p, str) and p), None)


def _data(report: dict[str, object], benchmark: object) -> object:
    """The description of the prompts, where each version keeps it."""
    places = (
        dig(benchmark, "request_loader", "data"),
        dig(report, "config", "spec", "data", 0),
        dig(report, "args", "data", 0),
        dig(report, "args", "data"),
    )
    return next((p for p in places if isinstance(p, str | dict)), None)


def _lengths(data: object) -> dict[str, object]:
    """Lengths of synthetic prompts: an object, JSON text, or `prompt_tokens=512,output_tokens=128`."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            data = dict(re.findall(r"(\w+)=(\d+)", str(data)))
    columns = {side: dig(data, f"{word}_tokens") for side, word in _SIDES.items()}
    return {side: length for side, length in columns.items() if length is not None}


def _date(unix: object) -> str | None:
    seconds = number(unix)
    if seconds is None or not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
