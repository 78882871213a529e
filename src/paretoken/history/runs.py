"""Runs as curves with their noise: each level with the intervals that its own summary gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretoken.bench.run_folder import RunFolder, run_folders
from paretoken.bench.stats.bootstrap import ConfidenceInterval
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.errors import BadFile
from paretoken.frontier import Axis

Z95 = 1.959964
SAME = ("accelerator", "engine", "model", "precision", "isl", "osl")
_METRICS = {"e2e": "e2e", "interactivity": "tpot"}


@dataclass(frozen=True, slots=True)
class RunCurve:
    """The levels of one run: latency (median E2E or TPOT, s) and total tok/s/GPU, each with its standard error."""

    folder: Path
    of: tuple[Any, ...]
    latency_s: np.ndarray
    latency_se_s: np.ndarray
    tok_s: np.ndarray
    tok_s_se: np.ndarray


def read_curves(places: Iterable[Path], axis: Axis) -> list[RunCurve]:
    """The runs at these places: run folders, or campaigns, which hold many. BadFile where there is no run."""
    found = [curve for place in places for p in run_folders(place) if (curve := _curve(RunFolder(p), axis)) is not None]
    if not found:
        raise BadFile(
            f"no level long enough for an interval in {', '.join(map(str, places))}; measure longer (--until 60s)"
        )
    return found


def _curve(run: RunFolder, axis: Axis) -> RunCurve | None:
    rows = [row for level in run.levels() if (row := _row(level.summary, axis)) is not None]
    if not rows:
        return None
    latency, latency_se, tok_s, tok_s_se = np.array(sorted(rows)).T
    columns = run.levels()[0].point
    return RunCurve(run.folder, tuple(columns[c] for c in SAME), latency, latency_se, tok_s, tok_s_se)


def _row(summary: LevelSummary, axis: Axis) -> tuple[float, float, float, float] | None:
    """(latency, its error, tok/s/GPU, its error); None for a level that failed, or was too short for an interval."""
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
    """Of a 95 % interval, as if normal."""
    return (interval.high - interval.low) / (2 * Z95)
