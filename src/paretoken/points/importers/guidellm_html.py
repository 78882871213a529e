"""GuideLLM's HTML report: the figures in its scripts, turned into the report that `guidellm` reads.

Versions up to 0.7 assign `window.benchmarks` and `window.workload_details`: distributions of TTFT, of the inter-token
latency (under the name `tpot`, later `itl`), of the E2E latency in seconds and of the output rate. They name the
strategy of the first benchmark alone; a report of several that begins with a synchronous one is a sweep, whose second
is unlimited and whose others are open loops at rates that the page does not state. Later versions assign
`window.GUIDELLM_REPORT`: the strategy of every run, p95 and p99 in ms, and throughputs over all requests, failed
ones too.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime

from paretoken.errors import BadFile
from paretoken.points.importers import guidellm
from paretoken.points.importers.guidellm_csv import named_strategy
from paretoken.points.importers.reading import LevelReading, dig, joined, scaled
from paretoken.points.values import number

NAME = guidellm.NAME
ORIGIN = "measured"
_ASSIGNED = re.compile(r"window\.(GUIDELLM_REPORT|benchmarks|run_info|workload_details) ?= ?(?=[\[{])")
_LABEL = re.compile(r"([a-z]+)(?:@([\d.]{1,20}|unlimited))?")
_HEAD = 5_000_000
_ALL_REQUESTS = "throughput counts the tokens of all requests, failed ones too"


def detects_text(text: str) -> bool:
    """A page whose scripts assign GuideLLM's figures."""
    names = set(_ASSIGNED.findall(text[:_HEAD])) if text.lstrip()[:1] == "<" else set()
    return "GUIDELLM_REPORT" in names or {"benchmarks", "run_info"} <= names


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each benchmark."""
    figures = _figures(text, file)
    if "GUIDELLM_REPORT" in figures:
        readings = guidellm.rows(_new_report(figures["GUIDELLM_REPORT"]), file)
        return [
            replace(r, stated={**r.stated, "notes": joined(r.stated.get("notes"), _ALL_REQUESTS)}) for r in readings
        ]
    return guidellm.rows(_old_report(figures), file)


def _figures(text: str, file: str) -> dict[str, object]:
    """What each script assigns; BadFile where that is not whole JSON."""
    decoder = json.JSONDecoder()
    figures: dict[str, object] = {}
    for match in _ASSIGNED.finditer(text):
        try:
            value, _ = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError) as e:
            raise BadFile(f"{file}: the figures of the page are not whole JSON; save it again") from e
        figures.setdefault(match[1], value)
    return figures


def _new_report(page: object) -> dict[str, object]:
    runs = dig(page, "runs")
    shared = {"model": dig(page, "header", "model"), "start_time": _unix(dig(page, "header", "timestamp"))}
    return {"benchmarks": [_new_benchmark(run, shared) for run in runs] if isinstance(runs, list) else []}


def _new_benchmark(run: object, shared: dict[str, object]) -> dict[str, object]:
    match = _LABEL.fullmatch(str(dig(run, "label")))
    tokens = {
        f"{word}_token_count": _mean(dig(run, "modalities", "text", "tokens", side, "mean"))
        for word, side in (("prompt", "input"), ("output", "output"))
    }
    return _benchmark(
        named_strategy(match[1], match[2]) if match else {"type_": dig(run, "strategy")},
        shared,
        {
            "time_to_first_token_ms": _tails(run, "ttft", 1.0),
            "inter_token_latency_ms": _tails(run, "itl", 1.0),
            "request_latency": _tails(run, "request_latency", 1e-3),
            **tokens,
            "prompt_tokens_per_second": _mean(dig(run, "input_tps")),
            "output_tokens_per_second": _mean(dig(run, "output_tps")),
            "tokens_per_second": _mean(dig(run, "total_tps")),
        },
        {status: dig(run, status) for status in ("successful", "incomplete", "errored", "total")},
    )


def _tails(run: object, metric: str, factor: float) -> dict[str, object]:
    """The percentiles of one latency in a run of the page."""
    return {"percentiles": {p: scaled(dig(run, f"{metric}_{p}_ms"), factor) for p in ("p95", "p99")}}


def _old_report(figures: dict[str, object]) -> dict[str, object]:
    runs, workload = figures.get("benchmarks"), figures.get("workload_details")
    listed = runs if isinstance(runs, list) else []
    shared = {
        "model": dig(figures.get("run_info"), "model", "name"),
        "start_time": dig(figures.get("run_info"), "timestamp"),
    }
    tokens = {
        f"{word}_token_count": _mean(dig(workload, side, "tokenDistributions", "statistics", "mean"))
        for word, side in (("prompt", "prompts"), ("output", "generations"))
    }
    kinds = _kinds(dig(workload, "rateType"), len(listed))
    return {"benchmarks": [_old_benchmark(run, kind, shared, tokens) for run, kind in zip(listed, kinds, strict=True)]}


def _old_benchmark(
    run: object, kind: object, shared: dict[str, object], tokens: dict[str, dict[str, object]]
) -> dict[str, object]:
    return _benchmark(
        {"type_": kind},
        shared,
        {
            "time_to_first_token_ms": dig(run, "ttft"),
            "inter_token_latency_ms": dig(run, "itl") or dig(run, "tpot"),
            "request_latency": dig(run, "timePerRequest"),
            "output_tokens_per_second": dig(run, "throughput"),
            **tokens,
        },
        {},
    )


def _kinds(first: object, runs: int) -> list[object]:
    """The strategy of each of the runs, given that of the first."""
    if first == "synchronous" and runs > 1:
        return ["synchronous", "throughput", *["constant"] * (runs - 2)]
    return [first] * runs


def _benchmark(
    strategy: dict[str, object], shared: dict[str, object], metrics: dict[str, object], counts: dict[str, object]
) -> dict[str, object]:
    """A benchmark of the JSON report."""
    return {
        "metrics": {**{name: {"successful": value} for name, value in metrics.items()}, "request_totals": counts},
        "config": {"strategy": strategy, "backend": {"model": shared["model"]}},
        "start_time": shared["start_time"],
    }


def _mean(value: object) -> dict[str, object]:
    return {} if number(value) is None else {"mean": value}


def _unix(stamp: object) -> float | None:
    try:
        return datetime.fromisoformat(str(stamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
