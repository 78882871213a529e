"""genai-bench's run files: one run of a scenario at a concurrency, with the experiment's metadata beside it.

Its TPOT is (E2E - TTFT) / (tokens - 1) of each request: the TPOT of this project; gaps between chunks are not stated.
Latencies are in s unless the file or the metadata says ms. A scenario `D(100,1000)` states the lengths, `N(480,240)/
(300,150)` their means. Throughput is tokens over the run's duration; before the file had one, its input throughput
was that of prompts alone, so the sides are left out where they do not add up.
"""

from __future__ import annotations

import re
from pathlib import Path

from paretoken.errors import BadFile
from paretoken.plain_files import read_json
from paretoken.points.importers.figures import error_rate, statistics, without_nothing
from paretoken.points.importers.reading import (
    LevelReading,
    Parsed,
    dig,
    entries,
    failures,
    first,
    joined,
    nominal,
    ratio,
)
from paretoken.points.values import number

NAME = "genai-bench"
ORIGIN = "measured"
METADATA = "experiment_metadata.json"
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "e2e_latency": "e2e"}
_SIDES = {"isl": "input", "osl": "output"}
_FIXED = re.compile(r"D\((\d{1,9}), ?(\d{1,9})\)")
_NORMAL = re.compile(r"N\((\d{1,9}), ?\d{1,9}\)/\((\d{1,9}), ?\d{1,9}\)")
_UNEVEN = 0.02
_RUN, _HEAD = b'"aggregated_metrics"', 1_000


def detects(parsed: Parsed) -> bool:
    """Aggregated metrics with their statistics."""
    return dig(first(parsed), "aggregated_metrics", "stats", "e2e_latency") is not None


def result_files(folder: Path) -> list[Path]:
    """The files of the runs beside an experiment's metadata."""
    if not (folder / METADATA).is_file():
        return []
    return [path for path in sorted(folder.glob("*.json")) if path.is_file() and _RUN in _opening(path)]


def _opening(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run."""
    metadata = _metadata(Path(file).parent / METADATA)
    return [_reading(at, run, metadata) for at, run in enumerate(entries(parsed), start=1)]


def _metadata(path: Path) -> object:
    try:
        return read_json(path) if path.is_file() else {}
    except BadFile:
        return {}


def _reading(at: int, run: dict[str, object], metadata: object) -> LevelReading:
    metrics = run.get("aggregated_metrics")
    stats = dig(metrics, "stats")
    means = without_nothing({f"mean_{s}": dig(stats, f"num_{w}_tokens", "mean") for s, w in _SIDES.items()})
    unit = run.get("_time_unit") or dig(metadata, "metrics_time_unit") or "s"
    factor = 1e-3 if unit == "ms" else 1.0
    failed, done = dig(metrics, "num_error_requests"), dig(metrics, "num_completed_requests")
    sent = _sum(failed, done)
    totals, uneven = _totals(metrics, stats)
    stated = {
        **_lengths(dig(metrics, "scenario")),
        **means,
        **_load(metrics),
        **{
            k: v for theirs, ours in _LATENCIES.items() for k, v in statistics(dig(stats, theirs), ours, factor).items()
        },
        **error_rate(failed, sent),
        **_server(metadata),
        "source_ref": dig(metrics, "scenario"),
        "notes": joined(failures(failed, sent), uneven),
    }
    return LevelReading(at, stated, totals, nominal(means))


def _lengths(scenario: object) -> dict[str, object]:
    match = _FIXED.fullmatch(str(scenario)) or _NORMAL.fullmatch(str(scenario))
    return {"isl": match[1], "osl": match[2]} if match else {}


def _load(metrics: object) -> dict[str, object]:
    """A closed loop; an open one where the run states the rate of its arrivals."""
    rate = dig(metrics, "arrival_requests_per_second")
    if rate:
        return {"load_kind": "open", "request_rate": rate}
    return {"load_kind": "closed", "concurrency": dig(metrics, "num_concurrency")}


def _server(metadata: object) -> dict[str, object]:
    return without_nothing(
        {
            "model": dig(metadata, "model"),
            "engine": dig(metadata, "server_engine"),
            "engine_version": dig(metadata, "server_version"),
            "accelerator": dig(metadata, "server_gpu_type"),
            "n_gpus": dig(metadata, "server_gpu_count"),
        }
    )


def _totals(metrics: object, stats: object) -> tuple[dict[str, object], str | None]:
    """Tokens per second of each side, and a note on sides that were left out."""
    seconds = dig(metrics, "run_duration")
    if number(seconds):
        words = {"total": "total_tokens", **{side: f"num_{side}_tokens" for side in ("input", "output")}}
        return without_nothing({side: ratio(dig(stats, w, "sum"), seconds) for side, w in words.items()}), None
    total = dig(metrics, "mean_total_tokens_throughput_tokens_per_s")
    sides = {side: dig(metrics, f"mean_{side}_throughput_tokens_per_s") for side in ("input", "output")}
    both, whole = _sum(*sides.values()), number(total)
    if both is not None and whole and abs(both - whole) > _UNEVEN * whole:
        note = "input and output throughput left out: they do not add up to the total"
        return without_nothing({"total": total}), note
    return without_nothing({"total": total, **sides}), None


def _sum(*values: object) -> float | None:
    numbers = [number(v) for v in values]
    return None if None in numbers else sum(n for n in numbers if n is not None)
