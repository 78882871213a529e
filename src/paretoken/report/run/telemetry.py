"""Power, clocks and temperature of the devices over a level, where a campaign recorded them beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from typing_extensions import TypedDict

from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.plain_files import as_type, read_json, read_parquet
from paretoken.report.numbers import column, rounded

SAMPLES, FIGURES = "telemetry.parquet", "telemetry.json"
SHOWN = ("power_w", "clock_mhz", "temperature_c", "utilisation", "memory_used_gb")
READINGS, DEVICES = 240, 16


class LevelEnergy(TypedDict, total=False):
    """Energy of the GPUs that serve, over the window."""

    mean_power_w_per_gpu: float | None
    j_per_output_token: float | None


class TelemetryFigures(TypedDict, total=False):
    """What is read of a level's `telemetry.json`."""

    energy: LevelEnergy | None


def telemetry(folder: Path, summary: LevelSummary) -> dict[str, object] | None:
    """The series of each device, and the energy of the window; None where nothing was recorded.

    Seconds count from the start of the level, or from the first reading where the level has no time on that clock.
    """
    if not (folder / SAMPLES).is_file():
        return None
    frame = read_parquet(folder / SAMPLES, str(folder / SAMPLES))[0]
    if frame.is_empty() or not {"at_s", "device"} <= set(frame.columns):
        return None
    zero = summary.run.t0_monotonic_s
    start = float(frame["at_s"].to_numpy().min()) if zero is None else zero
    groups = list(frame.sort("at_s").group_by("device", maintain_order=True))[:DEVICES]
    return {
        "aligned": zero is not None,
        "devices": [_series(str(name), rows, start) for (name,), rows in sorted(groups, key=lambda g: str(g[0][0]))],
        **_energy(folder),
    }


def _series(name: str, rows: pl.DataFrame, start: float) -> dict[str, object]:
    kept = np.unique(np.linspace(0, rows.height - 1, min(rows.height, READINGS)).round().astype(int)).tolist()
    picked = rows[kept]
    shown = {c: column(picked[c].to_list(), 4) for c in SHOWN if c in rows.columns and rows[c].count()}
    return {"name": name, "at": column((picked["at_s"] - start).to_list(), 6), **shown, **_throttled(rows)}


def _throttled(rows: pl.DataFrame) -> dict[str, object]:
    """The share of readings in which the clock was held down, and why."""
    if "throttle" not in rows.columns:
        return {}
    reasons = rows["throttle"].drop_nulls()
    named = reasons.filter(reasons != "")
    if named.is_empty():
        return {}
    return {"throttled": rounded(len(named) / len(reasons), 3), "throttles": sorted(set(named))}


def _energy(folder: Path) -> dict[str, object]:
    if not (folder / FIGURES).is_file():
        return {}
    energy = as_type(TelemetryFigures, read_json(folder / FIGURES), folder / FIGURES).get("energy") or LevelEnergy()
    figures = {"watts": energy.get("mean_power_w_per_gpu"), "joules": energy.get("j_per_output_token")}
    return {name: rounded(value, 4) for name, value in figures.items() if value is not None}
