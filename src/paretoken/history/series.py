"""Series of one configuration over its dates, out of a table of operating points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from paretoken.frontier import Axis, curves, to_axis
from paretoken.history.steps import Step, find_steps

AT_LOAD = (
    "accelerator",
    "engine",
    "model",
    "precision",
    "tp",
    "ep",
    "dp_attention",
    "speculative",
    "disaggregated",
    "isl",
    "osl",
    "load_kind",
    "concurrency",
    "request_rate",
)
AT_LATENCY = ("accelerator", "engine", "model", "precision", "speculative", "disaggregated", "isl", "osl")
SHOWN = ("date", "tput_per_gpu", "engine_version")
FEWEST_DATES = 4
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"


@dataclass(frozen=True, slots=True)
class Series:
    """Total tok/s/GPU of one configuration, one value a date (the median of several), with what was served then."""

    of: Mapping[str, Any]
    dates: tuple[str, ...]
    values: tuple[float, ...]
    versions: tuple[str | None, ...]
    steps: tuple[Step, ...]

    def between(self, step: Step) -> tuple[str, str]:
        """The last date before a step and the first after it."""
        return self.dates[step.index - 1], self.dates[step.index]


def series_at_load(points: pl.DataFrame, *, alpha: float = 0.01, smallest: float = 0.02) -> list[Series]:
    """One series for each configuration and load that has enough single dates, longest first."""
    rows = points.filter(pl.col("tput_per_gpu").is_not_null() & pl.col("date").str.contains(_ISO_DAY))
    return _sorted(
        _series(
            dict(zip(AT_LOAD, key, strict=True)),
            group.select("date", "tput_per_gpu", "engine_version"),
            alpha,
            smallest,
        )
        for key, group in rows.group_by(AT_LOAD, maintain_order=True)
        if group["date"].n_unique() >= FEWEST_DATES
    )


def series_at_latency(
    points: pl.DataFrame, axis: Axis, value: float, *, alpha: float = 0.01, smallest: float = 0.02
) -> list[Series]:
    """The same at equal latency: what each date's curve gives at `value` (E2E in s, or interactivity in tok/s/user).

    A date whose curve does not reach there is left out: nothing is extrapolated.
    """
    rows = points.filter(pl.col("date").str.contains(_ISO_DAY))
    return _sorted(
        _series({**dict(zip(AT_LATENCY, key, strict=True)), axis: value}, _at(group, axis, value), alpha, smallest)
        for key, group in rows.group_by(AT_LATENCY, maintain_order=True)
    )


def _at(group: pl.DataFrame, axis: Axis, value: float) -> pl.DataFrame:
    latency_s = to_axis(value, axis)
    found = [
        {"date": date, "tput_per_gpu": float(curve.at(latency_s)[0]), "engine_version": rows["engine_version"][0]}
        for (date,), rows in group.group_by("date")
        for curve in curves(rows, axis)
        if curve.covers(latency_s)
    ]
    schema = {"date": pl.String, "tput_per_gpu": pl.Float64, "engine_version": pl.String}
    return pl.DataFrame(found, schema=schema)


def _series(of: Mapping[str, Any], rows: pl.DataFrame, alpha: float, smallest: float) -> Series:
    days = rows.group_by("date").agg(pl.col("tput_per_gpu").median(), pl.col("engine_version").first()).sort("date")
    values = tuple(days["tput_per_gpu"].to_list())
    steps = tuple(find_steps(values, alpha, smallest)) if len(values) >= FEWEST_DATES else ()
    return Series(of, tuple(days["date"]), values, tuple(days["engine_version"]), steps)


def _sorted(found: Iterator[Series]) -> list[Series]:
    return sorted((s for s in found if len(s.dates) >= FEWEST_DATES), key=lambda s: (-len(s.dates), str(s.of)))
