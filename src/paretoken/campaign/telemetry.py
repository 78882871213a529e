"""Telemetry of a level: samples of the hardware beside the requests, energy per token beside the catalog's."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import polars as pl
from typing_extensions import TypedDict

from paretoken.bench.receipt import add_to_receipt
from paretoken.bench.run_folder import LevelOnDisk, write_json
from paretoken.bench.stats.throughput import SpanThroughput
from paretoken.catalog.entries import Accelerator
from paretoken.engines.telemetry.energy import Energy, integrate
from paretoken.engines.telemetry.sampler import Sampler
from paretoken.plain_files import as_type, read_json


class EnergyRecord(TypedDict, total=False):
    """What is read again of the `energy` of a level's figures."""

    mean_power_w_per_gpu: float | None
    j_per_output_token: float | None


class FiguresRecord(TypedDict, total=False):
    """What is read again of a level's figures."""

    energy: EnergyRecord | None


SAMPLES, FIGURES = "telemetry.parquet", "telemetry.json"


def keep_telemetry(sampler: Sampler, level: LevelOnDisk, gpus: int, accelerator: Accelerator | None) -> None:
    """Write the samples of a level and the figures from them into its folder."""
    window, amounts = level.summary.window, level.summary.throughput.window
    zero, elapsed_s = level.summary.run.t0_monotonic_s or 0.0, level.summary.run.elapsed_s or 0.0
    samples = sampler.between(zero - sampler.interval_s, zero + elapsed_s + sampler.interval_s)
    partial = level.folder / f".{SAMPLES}"
    samples.write_parquet(partial, compression="zstd")
    partial.replace(level.folder / SAMPLES)
    span = (zero + window.start_s, zero + window.end_s)
    kept = figures(samples, span, sampler.interval_s, amounts, gpus, accelerator)
    write_json(level.folder / FIGURES, {**kept, "missed_readings": sampler.missed})
    add_to_receipt(level.folder, (SAMPLES, FIGURES))


def figures(
    samples: pl.DataFrame,
    span_s: tuple[float, float],
    interval_s: float,
    amounts: SpanThroughput,
    gpus: int,
    accelerator: Accelerator | None,
) -> dict[str, object]:
    """Means over the window for each device, and joules and joules per token of the GPUs that serve.

    `amounts` are the tokens of the window. The catalog's J/token is its TDP times GPUs over the measured throughput.
    GPUs 0 to `gpus` − 1 serve.
    """
    inside = samples.filter(pl.col("at_s").is_between(*span_s))
    serving = [f"gpu{n}" for n in range(gpus)]
    window_s = span_s[1] - span_s[0]
    kept: dict[str, object] = {
        "window_s": window_s,
        "interval_s": interval_s,
        "devices": {str(name): _means(rows) for (name,), rows in inside.group_by("device", maintain_order=True)},
    }
    measured = [_energy(samples, d, span_s, interval_s) for d in serving if "power_w" in samples.columns]
    per_gpu = [energy for energy in measured if energy is not None]
    if len(per_gpu) == gpus and gpus:
        kept["energy"] = _all_gpus(per_gpu, amounts)
    if accelerator is not None and accelerator.tdp_w:
        watts = accelerator.tdp_w * gpus
        kept["catalog"] = {"tdp_w": accelerator.tdp_w, **_per_token(watts * window_s, amounts)}
    return kept


def point_columns(level: Path) -> dict[str, float]:
    """The columns of an operating point from a level's telemetry: mean power per GPU, joules per output token."""
    if not (level / FIGURES).is_file():
        return {}
    energy = as_type(FiguresRecord, read_json(level / FIGURES), level / FIGURES).get("energy") or EnergyRecord()
    columns = {
        "avg_power_w": energy.get("mean_power_w_per_gpu"),
        "joules_per_output_token": energy.get("j_per_output_token"),
    }
    return {column: value for column, value in columns.items() if value and value > 0}


def _means(rows: pl.DataFrame) -> dict[str, object]:
    means: dict[str, object] = {}
    for name in rows.columns[2:]:
        values = rows[name].drop_nulls()
        if not len(values) or name == "energy_j":
            continue
        if name == "throttle":
            means["throttled"] = float(cast(float, (values != "").mean()))
            means["throttles"] = sorted(set(values) - {""})
        else:
            means[name] = {"mean": float(cast(float, values.mean())), "max": float(cast(float, values.max()))}
    return means


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


def _all_gpus(energies: list[Energy], amounts: SpanThroughput) -> dict[str, object]:
    problem = next((energy.problem for energy in energies if energy.problem), "")
    if problem:
        return {"problem": problem}
    joules = sum(energy.joules or 0.0 for energy in energies)
    counters = [energy.counter_j for energy in energies if energy.counter_j is not None]
    count = sum(counters) if len(counters) == len(energies) else None
    return {
        "joules": joules,
        "mean_power_w_per_gpu": sum(energy.mean_power_w or 0.0 for energy in energies) / len(energies),
        "counter_joules": count,
        "disagreement": joules / count - 1 if count else None,
        **_per_token(joules, amounts),
    }


def _per_token(joules: float, amounts: SpanThroughput) -> dict[str, float | None]:
    output, both = amounts.output_tokens, amounts.output_tokens + amounts.input_tokens
    return {
        "j_per_output_token": joules / output if output else None,
        "j_per_token": joules / both if both else None,
    }
