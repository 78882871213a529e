"""Levels of one ladder as one curve: accidental differences between files of one measurement are removed.

A ladder is what one client measured of one configuration. Its levels may be in several files. One may be written after
midnight, one may omit the engine's version, and mean lengths may differ by a token. The levels then get:

lengths    if nominal lengths are rounded means within 2 % of each other: those of one of the levels
version    if only some levels of a day state it: that version, with a note
day        if different loads of one version are from consecutive days: the first day

Only measured points are changed: for published points, the day and the version distinguish runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import polars as pl

from paretoken.points.schema import CONFIGURATION, of_single_requests

Lengths = tuple[int, int]
"""Input and output tokens."""
SAME_LENGTH = 0.02
"""Largest relative difference of rounded lengths within one workload."""
VERSION_NOTE = "engine version of the other levels of that day"
_LADDER = (*CONFIGURATION, "source", "origin")
_WORKLOAD = (*_LADDER, "isl", "osl")
_LOAD = ("load_kind", "concurrency", "request_rate")


def as_ladders(points: pl.DataFrame) -> pl.DataFrame:
    """Stored points with the lengths, the day and the engine's version of each ladder made equal."""
    if points.height < 2:
        return points
    return _with_days(_with_versions(_with_lengths(points)))


def _measured() -> pl.Expr:
    return pl.col("origin") == "measured"


def _with_lengths(points: pl.DataFrame) -> pl.DataFrame:
    """Rounded means get the lengths of a near level whose means are whole, else those of the median level near them.

    Whole means come from requests of equal length: these are nominal and stay.
    """
    rows = points.with_row_index("_i").with_columns(_ladder=pl.struct(_LADDER).hash())
    alike = [pl.col(side) == pl.col(f"mean_{side}").round().cast(pl.Int64) for side in ("isl", "osl")]
    measured = rows.filter(_measured(), of_single_requests(), *alike).select(
        "_i", "_ladder", "isl", "osl", "mean_isl", "mean_osl"
    )
    whole, rounded = defaultdict[int, set[Lengths]](set), defaultdict[int, dict[int, Lengths]](dict)
    for i, ladder, isl, osl, *means in measured.iter_rows():
        if (isl, osl) == tuple(means):
            whole[ladder].add((isl, osl))
        else:
            rounded[ladder][i] = (isl, osl)
    shared = {i: lengths for k, levels in rounded.items() for i, lengths in _shared(levels, whole[k]).items()}
    if not shared:
        return points
    index = pl.col("_i")
    return rows.with_columns(
        pl.coalesce(
            index.replace_strict({i: both[k] for i, both in shared.items()}, default=None, return_dtype=pl.Int64), side
        ).alias(side)
        for k, side in enumerate(("isl", "osl"))
    ).drop("_i", "_ladder")


def _shared(levels: Mapping[int, Lengths], whole: set[Lengths]) -> dict[int, Lengths]:
    """New lengths by row: those of the nearest of `whole`, else of the median level of each group of near ones."""
    groups: list[list[int]] = []
    shared: dict[int, Lengths] = {}
    for i in sorted(levels, key=lambda i: levels[i]):
        near = [w for w in whole if _near(levels[i], w)]
        if near:
            shared[i] = min(near, key=lambda w: abs(w[0] - levels[i][0]))
        elif groups and _near(levels[i], levels[groups[-1][0]]):
            groups[-1].append(i)
        else:
            groups.append([i])
    for group in groups:
        middle = levels[group[(len(group) - 1) // 2]]
        shared |= dict.fromkeys(group, middle)
    return shared


def _near(one: Lengths, other: Lengths) -> bool:
    return all(abs(a - b) <= SAME_LENGTH * b for a, b in zip(one, other, strict=True))


def _with_days(points: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    rows = points.with_row_index("_i").with_columns(_day=day, _ladder=pl.struct((*_WORKLOAD, "engine_version")).hash())
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
    missing = _measured() & version.is_null() & only.is_not_null()
    note = pl.concat_str([pl.col("notes"), pl.lit(VERSION_NOTE)], separator="; ", ignore_nulls=True)
    return points.with_columns(
        engine_version=pl.when(missing).then(only).otherwise(version),
        notes=pl.when(missing).then(note).otherwise("notes"),
    )
