"""One load level as a row of the schema of operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from paretoken.bench.plan import Closed, Load
from paretoken.bench.stats.caveats import Warn
from paretoken.bench.stats.latency import Latency
from paretoken.bench.stats.quantiles import POINT_NAMES
from paretoken.bench.stats.throughput import Throughput
from paretoken.errors import BadConfig, nearest
from paretoken.points.schema import BY_NAME, STORED, conform

NOTED = ("no_steady_state", "client_limited", "errors", "cache_hits", "preemptions", "short_output")
"""Warnings that follow a point wherever it goes, in its `notes`."""


def operating_point(
    columns: Mapping[str, Any],
    load: Load,
    amounts: Throughput,
    found: Latency,
    lengths: Mapping[str, Any],
    n_gpus: int,
    warned: Sequence[Warn],
) -> dict[str, Any]:
    """Every stored column, None where it is not known. Figures that must be above 0 are None where they are not."""
    _check(columns)
    notes = [str(columns["notes"])] if columns.get("notes") else []
    row = {
        "source": "paretoken bench",
        "accelerator": "unknown",
        "engine": "unknown",
        **columns,
        "origin": "measured",
        "n_gpus": n_gpus,
        "mean_isl": lengths["mean_isl"],
        "mean_osl": lengths["mean_osl"],
        **_nominal(columns, lengths),
        **_load(load),
        **_figures(amounts, found, n_gpus),
        "notes": "; ".join(notes + [w.text for w in warned if w.code in NOTED]) or None,
    }
    return {c.name: _allowed(c.name, row.get(c.name)) for c in STORED}


def points_frame(points: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of `operating_point` as a table of the schema."""
    return conform(pl.DataFrame(list(points), schema={c.name: c.dtype for c in STORED}))


def _check(columns: Mapping[str, Any]) -> None:
    for name in columns:
        if name not in BY_NAME or BY_NAME[name].derived:
            near = nearest(name, [c.name for c in STORED])
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BadConfig(f"{name!r} is no column of an operating point{hint}")


def _nominal(columns: Mapping[str, Any], lengths: Mapping[str, Any]) -> dict[str, Any]:
    """Nominal lengths: those asked for, else the mean planned, else the mean there was."""
    found = {}
    for side in ("isl", "osl"):
        mean = lengths[f"planned_{side}"] or lengths[f"mean_{side}"]
        found[side] = columns.get(side) or (max(round(mean), 1) if mean else None)
    return found


def _load(load: Load) -> dict[str, Any]:
    if isinstance(load, Closed):
        return {"load_kind": "closed", "concurrency": float(load.users), "request_rate": None}
    return {"load_kind": "open", "concurrency": None, "request_rate": float(load.rate)}


def _figures(amounts: Throughput, found: Latency, n_gpus: int) -> dict[str, float | None]:
    per_gpu = {
        f"{side}_tput_per_gpu_tok_s": None if rate is None else rate / n_gpus
        for side, rate in (
            ("total", amounts.total_tok_s),
            ("input", amounts.input_tok_s),
            ("output", amounts.output_tok_s),
        )
    }
    latencies = {
        f"{theirs}_{metric}_s": getattr(distribution, ours)
        for metric, distribution in found.headline.items()
        for ours, theirs in POINT_NAMES.items()
    }
    return per_gpu | latencies


def _allowed(name: str, value: Any) -> Any:
    """The value, or None where the schema asks for more than 0 and it is not."""
    if BY_NAME[name].rule == "positive" and value is not None and not value > 0:
        return None
    return value
