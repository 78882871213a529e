"""EvalScope perf's `benchmark_summary.json`, with `benchmark_percentile.json` and `benchmark_args.json` beside it.

Names and units changed by version, and the unit stands in the name: `Average time to first token (s)` of old is `TTFT
(ms)` of new. Its TPOT is (E2E - TTFT) / (tokens - 1) of each request and its ITL the gap between chunks: those of this
project. It writes -1 for what does not apply. Without streaming, its TTFT is the whole answer, so neither TTFT, TPOT
nor ITL is read. A request rate is an open loop; without one it is a closed loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from paretoken.errors import BadFile
from paretoken.plain_files import read_json
from paretoken.points.importers.figures import error_rate, is_nothing, without_nothing
from paretoken.points.importers.reading import (
    LevelReading,
    Parsed,
    dig,
    entries,
    failures,
    first,
    joined,
    load_of,
    nominal,
    scaled,
)
from paretoken.points.values import number

NAME = "EvalScope"
ORIGIN = "measured"
SUMMARY, PERCENTILES, ARGUMENTS = "benchmark_summary.json", "benchmark_percentile.json", "benchmark_args.json"
_RUN = "parallel_"
_TITLE = re.compile(r"(.+?) ?\((s|ms)\)")
_SECONDS = {"s": 1.0, "ms": 1e-3}
_LATENCIES = {
    "average time to first token": "ttft",
    "average time per output token": "tpot",
    "average inter-token latency": "itl",
    "average latency": "e2e",
    "avg latency": "e2e",
    "ttft": "ttft",
    "tpot": "tpot",
    "itl": "itl",
    "latency": "e2e",
}
_NAMES = {
    "concurrency": ("Number of concurrency", "Concurrency"),
    "rate": ("Request rate (req/s)", "Request Rate (req/s)"),
    "sent": ("Total requests", "Total Requests"),
    "failed": ("Failed requests", "Failed Requests"),
    "mean_isl": ("Average input tokens per request", "Avg Input Tokens"),
    "mean_osl": ("Average output tokens per request", "Avg Output Tokens"),
    "output": (
        "Output token throughput (tok/s)",
        "Output Throughput (tok/s)",
        "Throughput(average tokens/s)",
    ),
    "total": ("Total token throughput (tok/s)", "Total Throughput (tok/s)"),
}
_STATISTICS = {"50%": "median", "90%": "p90", "95%": "p95", "99%": "p99"}
_DEEPEST = 4
"""Levels of folders: of the runs, of the models, of the dates, and the folder itself."""
_OF_TOKENS = ("ttft", "tpot", "itl")


def detects(parsed: Parsed) -> bool:
    """A summary, or the list of its percentiles."""
    document = first(parsed)
    names = {k for key in ("concurrency", "sent", "failed") for k in _NAMES[key]}
    return len(names & document.keys()) == 3 or "Percentiles" in document


def result_files(folder: Path) -> list[Path]:
    """The summaries in a folder of runs, `parallel_8_number_80/benchmark_summary.json`, or in folders of such."""
    return [path for depth in range(_DEEPEST) for path in sorted(folder.glob("*/" * depth + SUMMARY))]


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each summary; a list of percentiles belongs to the summary beside it."""
    folder = Path(file).parent
    if "Percentiles" in first(parsed):
        summary = _beside(folder / SUMMARY)
        readings = [_reading(1, summary if isinstance(summary, dict) else {}, parsed, _beside(folder / ARGUMENTS))]
    else:
        percentiles, arguments = _beside(folder / PERCENTILES), _beside(folder / ARGUMENTS)
        readings = [_reading(at, run, percentiles, arguments) for at, run in enumerate(entries(parsed), start=1)]
    named = {"source_ref": folder.name} if folder.name.startswith(_RUN) else {}
    return [replace(r, stated={**r.stated, **named}) for r in readings]


def _beside(path: Path) -> object:
    try:
        return read_json(path) if path.is_file() else None
    except BadFile:
        return None


def _reading(at: int, run: dict[str, object], percentiles: object, arguments: object) -> LevelReading:
    figure = {ours: next((run[name] for name in names if name in run), None) for ours, names in _NAMES.items()}
    means = {name: figure[name] for name in ("mean_isl", "mean_osl") if _measured(figure[name])}
    latencies = dict(_means(run)) | dict(_percentiles(percentiles))
    streamed = not _is_whole_answer(latencies, figure["mean_osl"], arguments)
    if not streamed:
        latencies = {k: v for k, v in latencies.items() if k.split("_")[1] not in _OF_TOKENS}
    load = _load(figure["rate"], figure["concurrency"])
    stated = {
        **_lengths(arguments),
        **means,
        **load,
        **latencies,
        **error_rate(figure["failed"], figure["sent"]),
        "model": dig(arguments, "model_id") or dig(arguments, "model"),
        "notes": joined(
            failures(figure["failed"], figure["sent"]),
            None if streamed else "not streamed: no time to the first token",
            load.get("notes"),
        ),
    }
    totals = {side: figure[side] for side in ("output", "total") if _measured(figure[side])}
    prompts = _difference(totals.get("total"), totals.get("output"))
    if prompts:
        totals["input"] = prompts
    return LevelReading(at, stated, totals, nominal(means))


def _measured(value: object) -> bool:
    """Whether a figure is there: EvalScope writes -1, 0 or nothing for what does not apply."""
    return not is_nothing(value) and number(value) != -1


def _means(run: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for title, value in run.items():
        match = _TITLE.fullmatch(str(title))
        metric = _LATENCIES.get(match[1].casefold()) if match else None
        if match and metric and _measured(value):
            yield f"mean_{metric}_s", scaled(value, _SECONDS[match[2]])


def _percentiles(table: object) -> Iterator[tuple[str, object]]:
    """The columns of a list of rows, one for each percentile."""
    for row in table if isinstance(table, list) else ():
        statistic = _STATISTICS.get(str(dig(row, "Percentiles")))
        for name, value in _means(row) if statistic and isinstance(row, dict) else ():
            yield name.replace("mean", str(statistic), 1), value


def _is_whole_answer(latencies: Mapping[str, object], tokens: object, arguments: object) -> bool:
    """Whether answers of several tokens came in one piece: not streamed, or with the TTFT of the whole answer."""
    ttft, e2e, length = (number(v) for v in (latencies.get("mean_ttft_s"), latencies.get("mean_e2e_s"), tokens))
    same = ttft is not None and e2e is not None and ttft >= e2e and (length is None or length > 1)
    return same or dig(arguments, "stream") is False


def _load(rate: object, concurrency: object) -> dict[str, object]:
    if rate is None and concurrency is None:
        return {}
    return load_of(rate if _measured(rate) else None, concurrency if _measured(concurrency) else None)


def _lengths(arguments: object) -> dict[str, object]:
    """The lengths of random prompts and forced outputs, where the shortest and the longest agree."""
    shortest, longest = (dig(arguments, f"{end}_prompt_length") for end in ("min", "max"))
    fewest, most = (dig(arguments, f"{end}_tokens") for end in ("min", "max"))
    is_random = str(dig(arguments, "dataset") or "").startswith("random")
    nominal_lengths = {
        "isl": shortest if is_random and shortest == longest else None,
        "osl": fewest if fewest == most else None,
    }
    return without_nothing(nominal_lengths)


def _difference(total: object, part: object) -> float | None:
    whole, some = number(total), number(part)
    return whole - some if whole is not None and some is not None and whole > some else None
