"""Throughput of one configuration over its dates, from a table of operating points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from paretoken.frontier import Axis, curves, to_axis
from paretoken.frontier.steps import LevelStep, find_steps
from paretoken.frontier.trend import usual_loads
from paretoken.points.schema import CONFIGURATION_AT_LENGTHS

AT_LATENCY = ("source", "origin", "model_variant", *CONFIGURATION_AT_LENGTHS, "mean_isl", "mean_osl")
AT_LOAD = (*AT_LATENCY, "load_kind", "concurrency", "request_rate")
FEWEST_DATES = 4
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"
_COMMIT = r"commit ([0-9a-f]{7,40})"

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStep:
    """A lasting change of a series: the value at `index`, on `date`, is the first of the level `after`.

    Levels are in tok/s/GPU. `change` is after/before − 1 with its 95 % interval. Images are the engine versions of the
    last date before and of the first after, commits those that the rows state; several runs of a day are joined.
    Not `confirmed`: the newest date alone shows it.
    """

    index: int
    date: str
    last_date_before: str
    before: float
    after: float
    change: float
    low: float
    high: float
    regression: bool
    confirmed: bool
    p_value: float
    image_before: str | None
    image_after: str | None
    commit_before: str | None
    commit_after: str | None


@dataclass(frozen=True, slots=True)
class ThroughputSeries:
    """Total tok/s/GPU of one configuration: one value for each date (the median of its runs), with engine versions."""

    of: Mapping[str, Value]
    dates: tuple[str, ...]
    values: tuple[float, ...]
    engine_versions: tuple[str | None, ...]
    steps: tuple[SeriesStep, ...]


def series_at_load(points: pl.DataFrame, *, alpha: float = 0.01, smallest: float = 0.02) -> list[ThroughputSeries]:
    """One series for each configuration and load with enough single dates, longest first."""
    rows = _dated(points).filter(pl.col("tput_per_gpu").is_not_null())
    often = rows.filter(pl.col("date").n_unique().over(AT_LOAD) >= FEWEST_DATES)
    return _sorted(
        _series(dict(zip(AT_LOAD, key, strict=True)), group, alpha, smallest)
        for key, group in often.group_by(AT_LOAD, maintain_order=True)
    )


def series_at_latency(
    points: pl.DataFrame, axis: Axis, value: float, *, alpha: float = 0.01, smallest: float = 0.02
) -> list[ThroughputSeries]:
    """The same at equal latency: the value of each date's curve at `value` (E2E in s, or interactivity in tok/s/user).

    A curve is one configuration's at the loads that most of its dates have. Dates whose curve does not reach the
    latency are left out: nothing is extrapolated.
    """
    rows = _dated(points)
    often = rows.filter(pl.col("date").n_unique().over(AT_LATENCY) >= FEWEST_DATES)
    return _sorted(
        _series({**dict(zip(AT_LATENCY, key, strict=True)), axis: value}, _at(group, axis, value), alpha, smallest)
        for key, group in often.group_by(AT_LATENCY, maintain_order=True)
    )


def _dated(points: pl.DataFrame) -> pl.DataFrame:
    """Sound rows of single dates, each run on its first date, with the commit that its notes state."""
    return (
        points.filter(pl.col("suspicious").is_null(), pl.col("date").str.contains(_ISO_DAY))
        .sort("date", maintain_order=True)
        .unique([*AT_LOAD, "run"], keep="first", maintain_order=True)
        .with_columns(commit=pl.col("notes").str.extract(_COMMIT))
    )


def _at(group: pl.DataFrame, axis: Axis, value: float) -> pl.DataFrame:
    latency_s = to_axis(value, axis)
    usual = usual_loads(group)
    at_latency = {
        day: float(curve.at(latency_s)[0])
        for (day,), rows in usual.group_by("date", maintain_order=True)
        for curve in curves(rows, axis)
        if curve.range_s[0] <= latency_s <= curve.range_s[1]
    }
    values = pl.DataFrame({"date": list(at_latency), "tput_per_gpu": list(at_latency.values())}, _VALUES)
    return usual.drop("tput_per_gpu").join(values, on="date")


_VALUES = {"date": pl.String, "tput_per_gpu": pl.Float64}


def _series(of: Mapping[str, Value], rows: pl.DataFrame, alpha: float, smallest: float) -> ThroughputSeries:
    stated = (_joined(name) for name in ("engine_version", "commit"))
    days = rows.group_by("date").agg(pl.col("tput_per_gpu").median(), *stated).sort("date")
    dates, values = tuple(days["date"]), tuple(days["tput_per_gpu"])
    images, commits = tuple(days["engine_version"]), tuple(days["commit"])
    when = [float(date.fromisoformat(day).toordinal()) for day in dates]
    steps = find_steps(values, when, alpha=alpha, smallest=smallest) if len(values) >= FEWEST_DATES else []
    return ThroughputSeries(of, dates, values, images, tuple(_step(s, dates, images, commits) for s in steps))


def _joined(name: str) -> pl.Expr:
    """The distinct values of a day, null if there are none."""
    texts = pl.col(name).drop_nulls().unique(maintain_order=True)
    return pl.when(texts.len() > 0).then(texts.str.join(", ")).alias(name)


def _step(
    step: LevelStep, dates: tuple[str, ...], images: tuple[str | None, ...], commits: tuple[str | None, ...]
) -> SeriesStep:
    return SeriesStep(
        index=step.index,
        date=dates[step.index],
        last_date_before=dates[step.last],
        before=step.before,
        after=step.after,
        change=step.change,
        low=step.low,
        high=step.high,
        regression=step.change < 0,
        confirmed=step.confirmed,
        p_value=step.p_value,
        image_before=images[step.last],
        image_after=images[step.index],
        commit_before=commits[step.last],
        commit_after=commits[step.index],
    )


def _sorted(series: Iterable[ThroughputSeries]) -> list[ThroughputSeries]:
    enough = (s for s in series if len(s.dates) >= FEWEST_DATES)
    return sorted(enough, key=lambda s: (-len(s.dates), str(s.of)))
