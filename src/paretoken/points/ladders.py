"""Levels of one ladder as one curve: what files of one measurement state differently by accident is made equal.

A ladder is what one client measured of one configuration. Its levels may stand in several files, of which one was
written after midnight, one states no version of the engine, or all state mean lengths that differ by a token:

lengths    nominal lengths that are rounded means, within 5 % of each other: the rounded median of the means
day        consecutive days, at loads that differ: the first
version    stated by some levels of a day and left out by the others: the one that is stated

Only measured points are changed: of published ones the day and the version tell runs apart.
"""

from __future__ import annotations

from statistics import median

import polars as pl

from paretoken.points.schema import CONFIGURATION

SAME_LENGTH = 0.05
"""Relative difference up to which mean lengths are those of one workload."""
_LADDER = (*CONFIGURATION, "source", "origin")
_WORKLOAD = (*_LADDER, "isl", "osl")
_LOAD = ("load_kind", "concurrency", "request_rate")


def as_ladders(points: pl.DataFrame) -> pl.DataFrame:
    """Stored points with the lengths, the day and the engine's version of each ladder made equal."""
    if points.height < 2:
        return points
    return _with_versions(_with_days(_with_lengths(points)))


def _measured() -> pl.Expr:
    return pl.col("origin") == "measured"


def _with_lengths(points: pl.DataFrame) -> pl.DataFrame:
    rows = points.with_row_index("_i").with_columns(_ladder=pl.struct(_LADDER).hash())
    rounded = [pl.col(side) == pl.col(f"mean_{side}").round().cast(pl.Int64) for side in ("isl", "osl")]
    kept = rows.filter(_measured(), *rounded).select("_i", "_ladder", "mean_isl", "mean_osl").sort("mean_isl")
    workloads: dict[int, list[list[tuple[int, float, float]]]] = {}
    for i, ladder, isl, osl in kept.iter_rows():
        alike = workloads.setdefault(ladder, [])
        near = next((w for w in alike if _near(isl, w[0][1]) and _near(osl, w[0][2])), None)
        if near is None:
            alike.append(near := [])
        near.append((i, isl, osl))
    lengths = {
        i: (round(median(isl for _, isl, _ in w)), round(median(osl for _, _, osl in w)))
        for alike in workloads.values()
        for w in alike
        for i, _, _ in w
    }
    sides = {side: {i: both[k] for i, both in lengths.items()} for k, side in enumerate(("isl", "osl"))}
    index = pl.col("_i")
    return rows.with_columns(
        pl.coalesce(index.replace_strict(new, default=None, return_dtype=pl.Int64), side).alias(side)
        for side, new in sides.items()
        if new
    ).drop("_i", "_ladder")


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_LENGTH * other


def _with_days(points: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    rows = points.with_row_index("_i").with_columns(_day=day, _ladder=pl.struct(_WORKLOAD).hash())
    rows = rows.sort("_ladder", "_day", maintain_order=True)
    later = (pl.col("_day").diff().over("_ladder") > pl.duration(days=1)).fill_null(False)
    rows = rows.with_columns(_chain=later.cum_sum().over("_ladder"))
    chain = ("_ladder", "_chain")
    once = pl.struct(_LOAD).n_unique().over(chain) == pl.len().over(chain)
    first = pl.col("date").filter(pl.col("_day").is_not_null()).min().over(chain)
    return (
        rows.with_columns(date=pl.when(_measured() & once & pl.col("_day").is_not_null()).then(first).otherwise("date"))
        .sort("_i")
        .drop("_i", "_day", "_ladder", "_chain")
    )


def _with_versions(points: pl.DataFrame) -> pl.DataFrame:
    version, of_day = pl.col("engine_version"), (*_WORKLOAD, "date")
    stated = version.drop_nulls()
    only = pl.when(stated.n_unique().over(of_day) == 1).then(stated.max().over(of_day))
    return points.with_columns(engine_version=pl.when(_measured()).then(pl.coalesce(version, only)).otherwise(version))
