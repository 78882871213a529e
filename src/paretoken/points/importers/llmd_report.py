"""llm-d's benchmark report, versions 0.1, 0.2 and 0.2.1, as YAML or JSON.

Units are stated with every statistic (ms or s, with or without `/token`) and followed. What a report calls inter-token
latency is whatever its load generator calls so: that of AIPerf and GuideLLM is (E2E − TTFT) / (tokens − 1), the TPOT
of this project, and GuideLLM's time per output token, which counts the first token, is not read. The failures of AIPerf
are kinds of errors, not requests, so they are not read either; nor is the power, which may be of a GPU or of a pod.
"""

from __future__ import annotations

from datetime import UTC, datetime

from paretoken.plural import counted
from paretoken.points.importers.figures import figure, lengths, merged, statistics
from paretoken.points.importers.inference_perf import LATENCIES, without_gaps_in_chunks
from paretoken.points.importers.llmd_stack import stack_columns
from paretoken.points.importers.reading import LevelCounts, LevelReading, Parsed, dig, entries, first, load_of
from paretoken.points.values import number

NAME = "llm-d benchmark report"
ORIGIN = "measured"
_UNITS = {"ms": 1e-3, "s": 1.0, "ms/token": 1e-3, "s/token": 1.0}
_AVERAGED = ("aiperf", "guidellm")
"""Load generators whose inter-token latency is a mean of each request."""
_RATES = {"total": "total_token_rate", "input": "input_token_rate", "output": "output_token_rate"}


def detects(parsed: Parsed) -> bool:
    """A scenario with aggregate results: `metrics` in version 0.1, `results.request_performance` later."""
    report = first(parsed)
    return isinstance(report.get("scenario"), dict) and isinstance(_performance(report), dict)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each report; several may follow one another in a YAML file."""
    return [_reading(at, report) for at, report in enumerate(entries(parsed), start=1)]


def _performance(report: dict[str, object]) -> object:
    metrics = report.get("metrics")
    is_first = isinstance(metrics, dict) and "latency" in metrics
    return metrics if is_first else dig(report, "results", "request_performance", "aggregate")


def _reading(at: int, report: dict[str, object]) -> LevelReading:
    performance, tool = _performance(report), _tool(report)
    words = {"isl": "input_length", "osl": "output_length"}
    means = lengths({side: dig(performance, "requests", name, "mean") for side, name in words.items()})
    stack = stack_columns(report)
    # The schema's default for every report that says nothing of experts.
    by_default = {"ep": stack.pop("ep")} if stack.get("ep") == 1 else {}
    stated = merged(
        stack,
        {"date": _date(report), "source_ref": dig(report, "run", "uid")},
        means,
        _latencies(performance, tool),
        _load(report, tool),
        {"notes": _cut_off(performance)},
    )
    otherwise = _nominal(report) | by_default
    return LevelReading(at, stated, _totals(performance), otherwise, counts=_counts(performance, tool))


def _counts(performance: object, tool: str) -> LevelCounts:
    failed = None if tool == "aiperf" else dig(performance, "requests", "failures")
    return LevelCounts(sent=dig(performance, "requests", "total"), failed=failed)


def _cut_off(performance: object) -> str | None:
    count = number(dig(performance, "requests", "incomplete"))
    return f"{counted(count, 'request')} cut off by the end" if count else None


def _tool(report: dict[str, object]) -> str:
    """The load generator, as it is called in its own report."""
    return str(dig(report, "scenario", "load", "standardized", "tool") or dig(report, "scenario", "load", "name") or "")


def _latencies(performance: object, tool: str) -> dict[str, object]:
    names = dict(LATENCIES)
    if tool in _AVERAGED:
        names |= {"inter_token_latency": "tpot"}
        names.pop("time_per_output_token")
    columns: dict[str, object] = {}
    for name, ours in names.items():
        block = dig(performance, "latency", name)
        factor = _UNITS.get(str(dig(block, "units")))
        columns |= {} if factor is None else statistics(block, ours, factor)
    return without_gaps_in_chunks(columns)


def _totals(performance: object) -> dict[str, object]:
    """Tokens per second: numbers in version 0.1, statistics later."""
    rates = dig(performance, "throughput")
    return {
        side: figure(dig(rates, name, "mean") or dig(rates, f"{side}_tokens_per_sec")) for side, name in _RATES.items()
    }


def _load(report: dict[str, object], tool: str) -> dict[str, object]:
    """The load of the generator; inference-perf states a rate beside its users, which is none of arrivals."""
    load, args = dig(report, "scenario", "load", "standardized"), dig(report, "scenario", "load", "args")
    places = (load, args, dig(args, "loadgen"), _stage(report, args))
    rates = [dig(place, name) for place in places for name in ("rate_qps", "qps_values", "request_rate", "rate")]
    limits = [dig(place, name) for place in places for name in ("concurrency", "max_concurrency", "concurrency_level")]
    rate, limit = next((r for r in rates if r is not None), None), next((n for n in limits if number(n)), None)
    unlimited = any(n is not None for n in limits) and limit is None
    if tool == "inference-perf" and limit is not None:
        rate = None
    return load_of("inf" if rate is None and unlimited else rate, limit)


def _stage(report: dict[str, object], args: object) -> object:
    """The stage of inference-perf's configuration that a report of version 0.1 is of."""
    stage = number(dig(report, "scenario", "load", "metadata", "stage"))
    return None if stage is None else dig(args, "load", "stages", int(stage))


def _nominal(report: dict[str, object]) -> dict[str, object]:
    """Lengths that the load generator was set to; reports of some generators fill in the mean."""
    load = dig(report, "scenario", "load", "standardized")
    set_ = {side: figure(dig(load, f"{name}_seq_len", "value")) for side, name in (("isl", "input"), ("osl", "output"))}
    return {side: round(value) for side, value in set_.items() if value is not None}


def _date(report: dict[str, object]) -> str | None:
    """The day of the start or the end: seconds since 1970 in version 0.1, ISO 8601 later."""
    stamp = dig(report, "run", "time", "start") or dig(report, "run", "time", "end")
    if stamp:
        return str(stamp)[:10]
    seconds = number(dig(report, "metrics", "time", "start"))
    if seconds is None or not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
