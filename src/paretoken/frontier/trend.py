"""How throughput at equal interactivity moved over dated runs of one configuration: steps, regressions, growth.

A configuration is that of one source, as two harnesses do not measure alike; emulated and predicted rows are left out,
and rows whose speculation is unknown. Several runs of a day are pooled (medians); the runs of one day at the usual
loads are a small frontier, and all days are read at one interactivity that most of them cover. Steps are those of
`frontier.steps` that are larger than software drift alone. Growth counts every week once, so that a nightly series
weighs no more than a weekly one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from paretoken.frontier.consistency import TIE
from paretoken.frontier.pchip import Array as FloatArray
from paretoken.frontier.pchip import Pchip
from paretoken.frontier.steps import find_steps
from paretoken.frontier.theil_sen import theil_sen
from paretoken.points.origins import of_origins
from paretoken.points.unstated import NONE, UNKNOWN

KEY = (
    "source",
    "accelerator",
    "engine",
    "model",
    "precision",
    "workload",
    "isl",
    "osl",
    "mean_isl",
    "mean_osl",
    "n_gpus",
    "tp",
    "ep",
    "dp_attention",
    "speculation",
    "disaggregated",
)
REAL = ("measured", "published")
"""Origins of rows that somebody measured."""
DAYS_PER_QUARTER = 365.25 / 4
DATED = r"^\d{4}-\d{2}-\d{2}$"
REPEAT_DAYS = 3
FEWEST_DATES = 4
USUAL_SHARE = 0.75
SHORTEST_DAYS = 60
MOST_SPREAD = 1.5


@dataclass(frozen=True, slots=True)
class TrendStep:
    """A lasting change of level, dated by the first run after it; `change` is a fraction, below 0 a regression."""

    on: date
    change: float
    run: str

    @property
    def regression(self) -> bool:
        return self.change < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputTrend:
    """One configuration over time at one interactivity, tok/s/user.

    `interval` is the 90 % interval of the growth of throughput in a quarter, from the slopes of its logarithm
    between all pairs of days (Theil and Sen), robust to one odd day; None for too few days or too short
    a series. `per_quarter` is their median; None also where the ends of the interval lie more than a factor
    of 1.5 apart, because the interval is then too wide. Days of one week count as one.
    """

    configuration: dict[str, object]
    origins: tuple[str, ...]
    interactivity: float
    dates: tuple[date, ...]
    tput_per_gpu: tuple[float, ...]
    steps: tuple[TrendStep, ...]
    per_quarter: float | None
    interval: tuple[float, float] | None

    @property
    def title(self) -> str:
        c = self.configuration
        ep = f" EP{c['ep']}" if c["ep"] not in (None, 0, 1) else ""
        drafting = f" {c['speculation']}" if c["speculation"] != NONE else ""
        gpus = f"{c['n_gpus']} GPU{'' if c['n_gpus'] == 1 else 's'}"
        where = f"{c['accelerator']} {c['engine']} TP{c['tp']}{ep}{drafting} on {gpus}"
        return f"{c['model']} {c['precision']} {c['isl']}/{c['osl']}, {where}"


def trends(points: pl.DataFrame) -> list[ThroughputTrend]:
    """The trend of every configuration with single dated runs on four days or more, by configuration."""
    dated = points.filter(
        of_origins(REAL)
        & pl.col("date").str.contains(DATED)
        & (pl.col("speculation") != UNKNOWN)
        & pl.col("suspicious").is_null()
        & pl.col("central_tpot_s").is_not_null()
        & pl.col("tput_per_gpu").is_not_null()
    )
    runs = dated.sort(*KEY, "date", "concurrency", nulls_last=True).unique(
        [*KEY, "concurrency", "run"], keep="first", maintain_order=True
    )
    often = runs.filter(pl.col("date").n_unique().over(KEY) >= FEWEST_DATES)
    groups = often.group_by(KEY, maintain_order=True)
    fitted = (_trend(dict(zip(KEY, key, strict=True)), rows) for key, rows in groups)
    return [t for t in fitted if t is not None]


def growth_per_quarter(
    dated_trends: Iterable[ThroughputTrend], accelerator: str, precision: str | None = None
) -> tuple[float, int] | None:
    """(median growth a quarter, number of trends) of an accelerator's trends that state one; None without any."""
    fitted = [
        t.per_quarter
        for t in dated_trends
        if t.per_quarter is not None
        and t.configuration["accelerator"] == accelerator
        and precision in (None, t.configuration["precision"])
    ]
    return (float(np.median(fitted)), len(fitted)) if fitted else None


def repeat_spread(points: pl.DataFrame) -> float | None:
    """The relative half width of the central 90 % of throughput over runs of one configuration and load.

    Runs count as repeated within three days of each other; None if there are none.
    """
    rows = points.filter(of_origins() & pl.col("date").str.contains(DATED) & pl.col("tput_per_gpu").is_not_null()).sort(
        "date"
    )
    key = [*KEY, "concurrency", "origin"]
    day = pl.col("date").str.to_date()
    apart = rows.select(
        off=pl.col("tput_per_gpu").log().diff().over(key).abs() / np.sqrt(2), days=day.diff().over(key).dt.total_days()
    ).filter(pl.col("days").is_between(1, REPEAT_DAYS))
    off = apart["off"].quantile(0.9, "linear")
    return None if off is None else float(np.expm1(off))


def _trend(configuration: dict[str, object], rows: pl.DataFrame) -> ThroughputTrend | None:
    days = {d: g for (d,), g in usual_loads(rows).group_by("date", maintain_order=True)}
    curves = {d: c for d, g in days.items() if (c := _curve(g)) is not None}
    tpot = _common(list(curves.values()))
    if tpot is None:
        return None
    covered = {d: c.at(tpot) for d, c in curves.items() if c.knots[0] <= tpot <= c.knots[-1]}
    if len(covered) < FEWEST_DATES:
        return None
    dates, values = [date.fromisoformat(d) for d in covered], np.array(list(covered.values()))
    per_quarter, interval = _growth(dates, np.log(values))
    return ThroughputTrend(
        configuration=configuration,
        origins=tuple(rows["origin"].unique().sort()),
        interactivity=1 / tpot,
        dates=tuple(dates),
        tput_per_gpu=tuple(map(float, values)),
        steps=_steps(days, dates, values),
        per_quarter=per_quarter,
        interval=interval,
    )


def usual_loads(rows: pl.DataFrame) -> pl.DataFrame:
    """The load levels that most days have, so that a curve does not move because another load was run."""
    on_days = pl.col("date").n_unique().over("concurrency") / pl.col("date").n_unique()
    usual = rows.filter(on_days >= USUAL_SHARE)
    return usual if usual["concurrency"].n_unique() > 1 else rows


def _curve(day: pl.DataFrame) -> Pchip | None:
    """Throughput over TPOT of one day's load levels; a day with one level cannot be interpolated."""
    pooled = day.group_by("concurrency").agg(pl.col("central_tpot_s", "tput_per_gpu").median())
    best: dict[float, float] = {}
    for tpot, throughput in pooled.select("central_tpot_s", "tput_per_gpu").iter_rows():
        best[tpot] = max(best.get(tpot, throughput), throughput)
    return Pchip.through(*zip(*sorted(best.items()), strict=True)) if len(best) > 1 else None


def _common(curves: Sequence[Pchip]) -> float | None:
    """The TPOT that the most days cover, in the middle of the widest such interval."""
    if len(curves) < FEWEST_DATES:
        return None
    ends = np.unique(np.concatenate([[c.knots[0], c.knots[-1]] for c in curves]))
    middles = np.sqrt(ends[:-1] * ends[1:])
    cover = np.array([sum(c.knots[0] <= m <= c.knots[-1] for c in curves) for m in middles])
    width = np.log(ends[1:] / ends[:-1])
    return float(middles[np.lexsort((width, cover))[-1]])


def _steps(days: dict[str, pl.DataFrame], dates: list[date], values: FloatArray) -> tuple[TrendStep, ...]:
    """The lasting changes of level; what the last day alone shows is none yet."""
    steps = find_steps(values.tolist(), [d.toordinal() for d in dates], smallest=TIE)
    return tuple(
        TrendStep(dates[step.index], step.change, _run(days[dates[step.index].isoformat()]))
        for step in steps
        if step.confirmed
    )


def _run(day: pl.DataFrame) -> str:
    return next(
        (str(v) for v in [*day["engine_version"].drop_nulls(), *day["source_ref"].drop_nulls()]), "version not stated"
    )


def _growth(dates: list[date], log_values: FloatArray) -> tuple[float | None, tuple[float, float] | None]:
    if (dates[-1] - dates[0]).days < SHORTEST_DAYS:
        return None, None
    day = np.array([d.toordinal() for d in dates], dtype=float)
    week = (day - day[0]) // 7
    weeks = np.unique(week)
    if len(weeks) < FEWEST_DATES:
        return None, None
    log_weekly = np.array([np.median(log_values[week == w]) for w in weeks])
    quarters = np.array([day[week == w].mean() for w in weeks]) / DAYS_PER_QUARTER
    slope, low, high = theil_sen(log_weekly, quarters)
    narrow = high - low <= np.log(MOST_SPREAD)
    return float(np.expm1(slope)) if narrow else None, (float(np.expm1(low)), float(np.expm1(high)))
