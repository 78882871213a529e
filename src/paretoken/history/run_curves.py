"""Runs as curves with noise: each level with the intervals of its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from paretoken.bench.run_folder import RunFolder, run_folders
from paretoken.bench.stats.bootstrap import ConfidenceInterval
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.frontier import Axis

Z95 = 1.959964
CONFIGURATION = ("accelerator", "engine", "model", "precision", "workload", "isl", "osl", "origin")
Configuration = tuple[str | int | float | bool | None, ...]
"""The values of CONFIGURATION."""
Floats = npt.NDArray[np.float64]
_METRICS = {"e2e": "e2e", "interactivity": "tpot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCurve:
    """The levels of one run: latency (median E2E or TPOT, s) and total tok/s/GPU, each with its standard error."""

    folder: Path | None
    of: Configuration
    latency_s: Floats
    latency_se_s: Floats
    tok_s: Floats
    tok_s_se: Floats


def read_curves(places: Sequence[Path], axis: Axis) -> list[RunCurve]:
    """The runs in run folders and campaigns that have a level with an interval. BadFile without a run."""
    return [curve for place in places for p in run_folders(place) if (curve := _curve(RunFolder(p), axis)) is not None]


def why_none(places: Sequence[Path], axis: Axis) -> str:
    """Why no level of these runs has a place on a curve, and what to do."""
    where = ", ".join(map(str, places))
    levels = [level.summary for place in places for p in run_folders(place) for level in RunFolder(p).levels()]
    if axis == "interactivity" and levels and all(s.in_one_piece for s in levels):
        return f"answers arrive in one piece in {where}, so there is no interactivity; measure the server directly"
    return f"no level is long enough for an interval in {where}; measure longer, as with 'paretoken bench --until 60s'"


def _curve(run: RunFolder, axis: Axis) -> RunCurve | None:
    rows = [row for level in run.levels() if (row := _row(level.summary, axis)) is not None]
    if not rows:
        return None
    latency, latency_se, tok_s, tok_s_se = np.array(sorted(rows)).T
    first = run.levels()[0].summary
    point = {**first.point, "origin": first.origin}
    return RunCurve(
        folder=run.folder,
        of=tuple(cast(str | int | None, point.get(column)) for column in CONFIGURATION),
        latency_s=latency,
        latency_se_s=latency_se,
        tok_s=tok_s,
        tok_s_se=tok_s_se,
    )


def _row(summary: LevelSummary, axis: Axis) -> tuple[float, float, float, float] | None:
    """Latency, its error, tok/s/GPU, its error; None for a level that failed or was too short for an interval."""
    metric = _METRICS[axis]
    latency = summary.latency.by_metric[metric].p50
    tok_s = summary.throughput.window.total_tok_s_per_gpu
    if summary.failed or not latency or not tok_s:
        return None
    latency_interval, tok_s_interval = (summary.intervals.get(k) for k in (f"median_{metric}_s", "total_tok_s"))
    if not latency_interval or not tok_s_interval:
        return None
    return latency, _standard_error(latency_interval), tok_s, _standard_error(tok_s_interval) / summary.n_gpus


def _standard_error(interval: ConfidenceInterval) -> float:
    """The standard error behind a 95 % interval, taken as normal."""
    return (interval.high - interval.low) / (2 * Z95)
