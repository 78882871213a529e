"""The points as they were on a day: rows whose runs had ended by then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from paretoken.errors import NoData
from paretoken.plural import counted


def last_day() -> pl.Expr:
    """The last day of a row's runs: of a period its end, of a month or a year its last day; null where not dated."""
    end = pl.col("date").str.split("..").list.last().str.slice(0, 10)
    days = {10: end, 7: end + "-01", 4: end + "-12-01"}
    first = pl.coalesce(pl.when(end.str.len_chars() == n).then(day) for n, day in days.items())
    day = first.str.to_date("%Y-%m-%d", strict=False)
    return pl.when(end.str.len_chars() < 10).then(day.dt.month_end()).otherwise(day)


def rows_until(points: pl.DataFrame, day: date | None) -> pl.DataFrame:
    """The rows whose runs ended on the day or before, all without a day; rows that are not dated are left out."""
    return points if day is None else points.filter((last_day() <= day).fill_null(False))


def nothing_until(day: date, tables: Iterable[pl.DataFrame]) -> NoData:
    """The error where no row of the tables is that old."""
    undated = sum(table.select(last_day().is_null().sum()).item() for table in tables)
    more = f" ({counted(undated, 'row')} without a date left out)" if undated else ""
    return NoData(f"no point is dated {day} or earlier{more}; give a later day with --as-of")
