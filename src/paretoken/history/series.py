"""Throughput of one configuration over its dates, from a table of operating points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from paretoken.frontier import Axis, curves, to_axis
from paretoken.history.steps import LevelStep, find_steps

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
FEWEST_DATES = 4
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"


Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStep:
    """A step of a series: the value at `index`, on `date`, is the first of the level `after`."""

    index: int
    before: float
    after: float
    p_value: float
    change: float
    date: str


@dataclass(frozen=True, slots=True)
class ThroughputSeries:
    """Total tok/s/GPU of one configuration: one value for each date (a median), with the engine's version."""

    of: Mapping[str, Value]
    dates: tuple[str, ...]
    values: tuple[float, ...]
    engine_versions: tuple[str | None, ...]
    steps: tuple[SeriesStep, ...]

    def between(self, step: SeriesStep) -> tuple[str, str]:
        """The last date before a step and the first date after it."""
        return self.dates[step.index - 1], step.date


def series_at_load(points: pl.DataFrame, *, alpha: float = 0.01, smallest: float = 0.02) -> list[ThroughputSeries]:
    """One series for each configuration and load with enough single dates, longest first."""
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
) -> list[ThroughputSeries]:
    """The same at equal latency: the value of each date's curve at `value` (E2E in s, or interactivity in tok/s/user).

    Dates whose curve does not reach that latency are left out: nothing is extrapolated.
    """
    rows = points.filter(pl.col("date").str.contains(_ISO_DAY))
    return _sorted(
        _series({**dict(zip(AT_LATENCY, key, strict=True)), axis: value}, _at(group, axis, value), alpha, smallest)
        for key, group in rows.group_by(AT_LATENCY, maintain_order=True)
    )


def _at(group: pl.DataFrame, axis: Axis, value: float) -> pl.DataFrame:
    latency_s = to_axis(value, axis)
    rows_at = [
        {"date": date, "tput_per_gpu": float(curve.at(latency_s)[0]), "engine_version": rows["engine_version"][0]}
        for (date,), rows in group.group_by("date")
        for curve in curves(rows, axis)
        if curve.range_s[0] <= latency_s <= curve.range_s[1]
    ]
    schema = {"date": pl.String, "tput_per_gpu": pl.Float64, "engine_version": pl.String}
    return pl.DataFrame(rows_at, schema=schema)


def _series(of: Mapping[str, Value], rows: pl.DataFrame, alpha: float, smallest: float) -> ThroughputSeries:
    days = rows.group_by("date").agg(pl.col("tput_per_gpu").median(), pl.col("engine_version").first()).sort("date")
    dates, values = tuple(days["date"]), tuple(days["tput_per_gpu"].to_list())
    steps = find_steps(values, alpha, smallest) if len(values) >= FEWEST_DATES else []
    return ThroughputSeries(of, dates, values, tuple(days["engine_version"]), tuple(_dated(s, dates) for s in steps))


def _dated(step: LevelStep, dates: tuple[str, ...]) -> SeriesStep:
    return SeriesStep(
        index=step.index,
        before=step.before,
        after=step.after,
        p_value=step.p_value,
        change=step.change,
        date=dates[step.index],
    )


def _sorted(series: Iterator[ThroughputSeries]) -> list[ThroughputSeries]:
    enough = (s for s in series if len(s.dates) >= FEWEST_DATES)
    return sorted(enough, key=lambda s: (-len(s.dates), str(s.of)))
