"""AIPerf's aggregates of several runs: `profile_export_aiperf_sweep.json` or `.csv`, and `…_aggregate.json`.

Every combination of swept values is a point. With one run for each combination a metric holds its own statistics;
with several there is one metric for each statistic (`request_latency_p99`), and its `mean` is over the runs. Metrics
mean what they do in AIPerf's JSON of one run. The CSV states no units: they are AIPerf's own, milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from paretoken.points.importers import aiperf
from paretoken.points.importers.document import table_of
from paretoken.points.importers.figures import figure, merged
from paretoken.points.importers.reading import LevelReading, Parsed, dig, first
from paretoken.points.values import number

NAME = "AIPerf sweep"
ORIGIN = "measured"
_STATISTICS = ("avg", "p50", "p90", "p95", "p99")
_SWEPT = {
    "concurrency": ("concurrency",),
    "request_rate": ("request_rate", "rate"),
    "isl": ("isl", "input_sequence_length"),
    "osl": ("osl", "output_sequence_length"),
}


def detects(parsed: Parsed) -> bool:
    """Runs that were aggregated, for every combination or all of them together."""
    document = first(parsed)
    sweep = isinstance(document.get("per_combination_metrics"), list) and "aggregation_type" in document
    return sweep or (dig(document, "metadata", "aggregation_type") == "confidence" and _is_metrics(document))


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each combination of swept values."""
    document = first(parsed)
    cells = document.get("per_combination_metrics")
    combinations = cells if isinstance(cells, list) else [{"metrics": document.get("metrics")}]
    runs = number(dig(document, "metadata", "num_trials_per_value"))
    if not isinstance(cells, list):
        runs = number(dig(document, "metadata", "num_successful_runs"))
    return [
        _reading(at, dig(cell, "metrics"), dig(cell, "parameters"), runs, file)
        for at, cell in enumerate(combinations, start=1)
    ]


def detects_text(text: str) -> bool:
    """The first table has a mean and a coefficient of variation of each metric."""
    header = text[: text.find("\n")]
    return "_mean" in header and "_cv" in header and ("latency" in header or "throughput" in header)


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each row of the first table, which a blank line ends."""
    table = table_of(text.replace("\r\n", "\n").split("\n\n")[0])
    readings = []
    for at, row in enumerate(table, start=1):
        metrics = {
            name.removesuffix("_mean"): {"mean": value, "unit": "ms" if "latency" in name or "_token_" in name else ""}
            for name, value in row.items()
            if name.endswith("_mean")
        }
        readings.append(_reading(at, metrics, row, None, file))
    return readings


def _is_metrics(document: dict[str, object]) -> bool:
    metrics = document.get("metrics")
    return isinstance(metrics, dict) and any(name.startswith("request_") for name in metrics)


def _reading(at: int, metrics: object, parameters: object, runs: float | None, file: str) -> LevelReading:
    document = _one_run(metrics)
    if not document:
        return LevelReading(at, refused="has no metrics: no run of this combination succeeded")
    swept = _swept(parameters)
    document["input_config"] = {
        "loadgen": {key: swept[key] for key in ("concurrency", "request_rate") if key in swept},
        "datasets": [{"prompts": {key: swept[key] for key in ("isl", "osl") if key in swept}}],
    }
    [reading] = aiperf.rows(document, file)
    notes = f"mean over {runs:.0f} runs" if runs and runs > 1 else None
    return replace(reading, at=at, stated=merged(reading.stated, {"notes": notes}))


def _one_run(metrics: object) -> dict[str, object]:
    """The metrics in the form of a single run: name -> unit and statistics."""
    run: dict[str, object] = {}
    for name, block in metrics.items() if isinstance(metrics, Mapping) else ():
        tag, _, statistic = str(name).rpartition("_")
        mean = figure(dig(block, "mean"))
        if statistic in _STATISTICS:
            values = {statistic: mean}
        else:
            tag = str(name)
            values = {key: figure(dig(block, key)) for key in _STATISTICS} | {"avg": figure(dig(block, "avg")) or mean}
        statistics = run.setdefault(tag, {"unit": dig(block, "unit")})
        if isinstance(statistics, dict):
            statistics |= {key: value for key, value in values.items() if value is not None}
    return run


def _swept(parameters: object) -> dict[str, object]:
    """The swept values by our names; a name may be a path such as `phases.profiling.concurrency`."""
    if not isinstance(parameters, Mapping):
        return {}
    leaves = {str(name).rpartition(".")[2]: number(value) for name, value in parameters.items()}
    columns = {ours: next((leaves[n] for n in names if leaves.get(n)), None) for ours, names in _SWEPT.items()}
    return {ours: value for ours, value in columns.items() if value is not None}
