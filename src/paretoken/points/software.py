"""The software state of a row: the engine release that it ran, else the month of the run.

    release   0.5.12, out of `0.5.12` or `lmsysorg/sglang:v0.5.12-rocm700-mi35x`; where a row states none, that of the
              same accelerator, engine, model and precision on the same day, if that day has one only
    month     2026-03, where no release is stated, and of nightly builds, which are none
    period    2025-09-29..2026-07-19, of medians over many runs: a state of its own, as old as the middle of it
    undated   neither is stated

A curve is drawn from one state. States of one engine are ordered by the date of their newest run.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from paretoken.points.derived import CLOSED_LOOP

UNDATED = "undated"
SAME_DAY = ("accelerator", "engine", "model", "precision", "date")
_NIGHTLY = r"(?i)nightly|latest|(^|[^a-z])dev([^a-z]|$)|sha256"
_ATOM_RELEASE = r"atom(\d+(?:\.\d+)+)"
_RELEASE = r"(?:^|sglang-|vllm-|[^a-z0-9.])v?(\d+\.\d+[0-9a-z.]*(?:-(?:rc|dev|\d)[0-9a-z.]*)*)"
_DAY, _MONTH = r"^\d{4}-\d{2}-\d{2}", r"^(\d{4}-\d{2})"


def software(points: pl.DataFrame) -> pl.Series:
    """The software state of each row."""
    return points.select(software=_state())["software"]


def _state() -> pl.Expr:
    stamp = pl.col("date")
    period = stamp.str.contains("..", literal=True)
    month = pl.coalesce(stamp.str.extract(_MONTH), stamp, pl.lit(UNDATED))
    return pl.when(period).then(stamp).otherwise(pl.coalesce(_release(), _release_of_the_day(), month))


def _release_of_the_day() -> pl.Expr:
    """For a row without a version the one release of its accelerator, engine, model and precision on its day."""
    release = _release()
    only = release.drop_nulls().n_unique().over(SAME_DAY) == 1
    unstated = pl.col("engine_version").is_null() & pl.col("date").str.contains(_DAY)
    return pl.when(only & unstated).then(release.max().over(SAME_DAY))


def _release() -> pl.Expr:
    """The release in a version or in the tag of an image; null for a nightly build and for what names none."""
    version = pl.col("engine_version")
    # Only an image has a slash; its repository's name may hold `dev` (`rocm/sgl-dev`).
    tag = pl.when(version.str.contains("/", literal=True)).then(version.str.extract(r":([^:]+)$")).otherwise(version)
    atom = tag.str.contains(r"(?i)atom")
    release = pl.when(atom).then(tag.str.extract(_ATOM_RELEASE)).otherwise(tag.str.extract(_RELEASE))
    nightly = tag.str.contains(_NIGHTLY) & ~tag.str.contains(r"\d-dev\.\d") | version.str.contains(
        "sha256", literal=True
    )
    return pl.when(~nightly.fill_null(True)).then(release)


def representative_day(stamp: str | None) -> date | None:
    """The day that a date stands for: itself, the end of a month, the middle of a period; None where there is none."""
    if not stamp:
        return None
    start, _, end = stamp.partition("..")
    first, last = _day(start, latest=False), _day(end or start, latest=True)
    return last if not end or first is None or last is None else first + (last - first) / 2


def days_apart(one: str | None, other: str | None) -> int | None:
    """Days between the days that two dates stand for; None where one is not stated."""
    a, b = representative_day(one), representative_day(other)
    return None if a is None or b is None else abs((a - b).days)


def _day(text: str, *, latest: bool) -> date | None:
    """The day of an ISO date; the first or last one of a month or of a year."""
    parts = [int(part) for part in text.split("-") if part.isdigit()]
    if len(parts) == 3:
        return date(*parts)
    if len(parts) == 2:
        year, month = parts
        return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1) if latest else date(year, month, 1)
    if len(parts) == 1:
        return date(parts[0], 12, 31) if latest else date(parts[0], 1, 1)
    return None


FEWEST_LOADS, SHARE_OF_LOADS = 4, 0.5
"""A state holds enough loads if it has four, or all that there are, and half as many as the fullest state."""
SAME_STATE_DAYS = 45
"""Software this many days apart moves one configuration by 3.4 % (median), no more than a derived throughput errs."""
ONE_ENGINE = ("accelerator", "engine", "origin")
_OLDEST = date(1, 1, 1)


def by_state(points: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the rows of one software state of each engine, the rows of newer states).

    The state is the newest that holds enough loads; of those up to 45 days older the one whose throughputs are stated
    rather than derived. Newer ones hold too few loads, or only derived throughputs of later runs. Only rows that can
    be placed, with a latency and a throughput, count as loads.
    """
    if points.is_empty():
        return points, points
    states = _states(points)
    enough = states.filter("_enough").with_columns(_newest=pl.col("_day").max().over(ONE_ENGINE))
    current = (
        enough.filter(pl.col("_day") >= pl.col("_newest") - timedelta(days=SAME_STATE_DAYS))
        .sort("_stated", "_day", "software", descending=True)
        .unique(ONE_ENGINE, keep="first", maintain_order=True)
    )
    newer = (
        states.filter(pl.col("_loads") > 0)
        .join(current.select(*ONE_ENGINE, _current="_day", _end="_last"), on=ONE_ENGINE)
        .filter(
            pl.when("_enough").then(pl.col("_last") > pl.col("_end")).otherwise(pl.col("_day") > pl.col("_current"))
        )
    )
    key = [*ONE_ENGINE, "software"]
    rows, of_newer = (
        points.join(part.select(key), on=key, how="semi", maintain_order="left") for part in (current, newer)
    )
    return rows, of_newer.filter(_placed())


def _states(points: pl.DataFrame) -> pl.DataFrame:
    """One row for each software state of each engine: its day, its loads, whether they are enough."""
    days = {stamp: representative_day(stamp) or _OLDEST for stamp in points["date"].unique()}
    return (
        points.with_columns(_day=pl.col("date").replace_strict(days, return_dtype=pl.Date))
        .group_by(*ONE_ENGINE, "software")
        .agg(
            _day=pl.col("_day").max(),
            _last=pl.col("date").str.slice(-10).max(),
            _loads=pl.struct("concurrency", "request_rate").filter(_placed()).n_unique(),
            _stated=(pl.col("tput_basis") != CLOSED_LOOP).filter(_placed()).mean() > SHARE_OF_LOADS,
        )
        .with_columns(_fullest=pl.col("_loads").max().over(ONE_ENGINE))
        .with_columns(
            _enough=(pl.col("_loads") >= pl.min_horizontal(pl.lit(FEWEST_LOADS), "_fullest"))
            & (pl.col("_loads") >= SHARE_OF_LOADS * pl.col("_fullest"))
        )
    )


def _placed() -> pl.Expr:
    return pl.col("tput_per_gpu").is_not_null() & pl.any_horizontal(pl.col("e2e_s", "central_tpot_s").is_not_null())
