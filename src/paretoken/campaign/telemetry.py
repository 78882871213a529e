"""What the hardware did over a point: its samples beside the requests, and energy per token beside the catalog's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from paretoken.bench.run_folder import LevelOnDisk, read_json, write_json
from paretoken.catalog.entries import Accelerator
from paretoken.engines.telemetry.energy import Energy, integrate
from paretoken.engines.telemetry.sampler import Sampler

SAMPLES, FIGURES = "telemetry.parquet", "telemetry.json"


def keep_telemetry(sampler: Sampler, level: LevelOnDisk, gpus: int, accelerator: Accelerator | None) -> None:
    """Write the samples of a level and what follows from them into its folder."""
    run, window = level.summary["run"], level.summary["window"]
    zero = run["t0_monotonic_s"]
    samples = sampler.between(zero - sampler.interval_s, zero + run["elapsed_s"] + sampler.interval_s)
    partial = level.folder / f".{SAMPLES}"
    samples.write_parquet(partial, compression="zstd")
    partial.replace(level.folder / SAMPLES)
    amounts = level.summary["throughput"]["window"]
    span = (zero + window["start_s"], zero + window["end_s"])
    found = figures(samples, span, sampler.interval_s, amounts, gpus, accelerator)
    write_json(level.folder / FIGURES, {**found, "missed_readings": sampler.missed})


def figures(
    samples: pl.DataFrame,
    span_s: tuple[float, float],
    interval_s: float,
    amounts: Mapping[str, Any],
    gpus: int,
    accelerator: Accelerator | None,
) -> dict[str, Any]:
    """Means over the window for each device; of the GPUs that serve, joules and joules per token.

    `amounts` are the tokens of the window. The catalog's J/token is its TDP times GPUs over the measured throughput.
    GPUs 0 to `gpus` − 1 serve.
    """
    inside = samples.filter(pl.col("at_s").is_between(*span_s))
    serving = [f"gpu{n}" for n in range(gpus)]
    found: dict[str, Any] = {
        "window_s": span_s[1] - span_s[0],
        "interval_s": interval_s,
        "devices": {str(name): _means(rows) for (name,), rows in inside.group_by("device", maintain_order=True)},
    }
    per_gpu = {d: _energy(samples, d, span_s, interval_s) for d in serving if "power_w" in samples.columns}
    per_gpu = {d: e for d, e in per_gpu.items() if e is not None}
    if len(per_gpu) == gpus and gpus:
        found["energy"] = _whole(list(per_gpu.values()), amounts)
    if accelerator is not None and accelerator.tdp_w:
        watts = accelerator.tdp_w * gpus
        found["catalog"] = {"tdp_w": accelerator.tdp_w, **_per_token(watts * found["window_s"], amounts)}
    return found


def point_columns(place: Path) -> dict[str, float]:
    """Columns of an operating point that a level's telemetry fills: mean power per GPU, joules per output token."""
    if not (place / FIGURES).is_file():
        return {}
    energy = read_json(place / FIGURES).get("energy") or {}
    named = {"avg_power_w": "mean_power_w_per_gpu", "joules_per_output_token": "j_per_output_token"}
    return {column: energy[key] for column, key in named.items() if energy.get(key)}


def _means(rows: pl.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in rows.columns[2:]:
        values = rows[name].drop_nulls()
        if not len(values) or name == "energy_j":
            continue
        if name == "throttle":
            found["throttled"] = float((values != "").mean())
            found["throttles"] = sorted(set(values) - {""})
        else:
            found[name] = {"mean": float(values.mean()), "max": float(values.max())}
    return found


def _energy(samples: pl.DataFrame, device: str, span_s: tuple[float, float], interval_s: float) -> Energy | None:
    rows = samples.filter((pl.col("device") == device) & pl.col("power_w").is_not_null()).sort("at_s")
    if rows.is_empty():
        return None
    counted = "energy_j" in rows.columns and not rows["energy_j"].has_nulls()
    return integrate(
        rows["at_s"].to_numpy(),
        rows["power_w"].to_numpy(),
        *span_s,
        interval_s,
        rows["energy_j"].to_numpy() if counted else None,
    )


def _whole(each: list[Energy], amounts: Mapping[str, Any]) -> dict[str, Any]:
    problem = next((e.problem for e in each if e.problem), "")
    if problem:
        return {"problem": problem}
    joules = sum(e.joules for e in each)
    counted = [e.counter_j for e in each]
    count = None if any(c is None for c in counted) else sum(counted)
    return {
        "joules": joules,
        "mean_power_w_per_gpu": sum(e.mean_power_w for e in each) / len(each),
        "counter_joules": count,
        "disagreement": joules / count - 1 if count else None,
        **_per_token(joules, amounts),
    }


def _per_token(joules: float, amounts: Mapping[str, Any]) -> dict[str, float | None]:
    output, both = amounts["output_tokens"], amounts["output_tokens"] + amounts["input_tokens"]
    return {
        "j_per_output_token": joules / output if output else None,
        "j_per_token": joules / both if both else None,
    }
