"""Runs as curves with noise: each level with the intervals of its summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from paretoken.bench.run_folder import RunFolder, run_folders
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS
from paretoken.errors import BadFile
from paretoken.frontier import Axis

Z95 = 1.959964
CONFIGURATION = ("accelerator", "engine", "model", "precision", "isl", "osl")
Configuration = tuple[str | int | float | bool | None, ...]
"""The values of CONFIGURATION."""
Floats = npt.NDArray[np.float64]
_FIGURES = {"e2e": ("e2e_s", "median_e2e_s"), "interactivity": ("tpot_s", "median_tpot_s")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCurve:
    """The levels of one run: latency (median E2E or TPOT, s) and total tok/s/GPU, each with its standard error."""

    folder: Path | None
    of: Configuration
    latency_s: Floats
    latency_se_s: Floats
    tok_s: Floats
    tok_s_se: Floats


def read_curves(places: Iterable[Path], axis: Axis) -> list[RunCurve]:
    """The runs in run folders and campaigns. BadFile where there is no run, or no level with an interval."""
    curves = [
        curve for place in places for p in run_folders(place) if (curve := _curve(RunFolder(p), axis)) is not None
    ]
    if not curves:
        raise BadFile(
            f"no level is long enough for an interval in {', '.join(map(str, places))}; measure longer (--until 60s)"
        )
    return curves


def _curve(run: RunFolder, axis: Axis) -> RunCurve | None:
    rows = [row for level in run.levels() if (row := _row(level.summary, axis)) is not None]
    if not rows:
        return None
    latency, latency_se, tok_s, tok_s_se = np.array(sorted(rows)).T
    point = run.levels()[0].point
    return RunCurve(
        folder=run.folder,
        of=tuple(point[column] for column in CONFIGURATION),
        latency_s=latency,
        latency_se_s=latency_se,
        tok_s=tok_s,
        tok_s_se=tok_s_se,
    )


def _row(summary: Mapping[str, Any], axis: Axis) -> tuple[float, float, float, float] | None:
    """Latency, its error, tok/s/GPU, its error; None for a level that failed or was too short for an interval."""
    metric, interval = _FIGURES[axis]
    latency = (summary["latency"].get(metric) or {}).get("p50")
    tok_s = summary["throughput"]["window"]["total_tok_s_per_gpu"]
    if TOO_MANY_ERRORS in summary or not latency or not tok_s:
        return None
    intervals = summary["intervals"] or {}
    of_latency, of_tok_s = intervals.get(interval), intervals.get("total_tok_s")
    if not of_latency or not of_tok_s:
        return None
    per_gpu = summary["n_gpus"]
    return latency, _standard_error(of_latency), tok_s, _standard_error(of_tok_s) / per_gpu


def _standard_error(interval: dict[str, float]) -> float:
    """The standard error behind a 95 % interval, taken as normal."""
    return (interval["high"] - interval["low"]) / (2 * Z95)
