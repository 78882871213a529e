"""The day on which a row's runs had ended, and the rows of a day."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from paretoken.errors import NoData
from paretoken.points.as_of import last_day, rows_until
from paretoken.points.load import load_points


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-05-01", date(2026, 5, 1)),
        ("2025-09-29..2026-07-19", date(2026, 7, 19)),
        ("2026-02", date(2026, 2, 28)),
        ("2026-04", date(2026, 4, 30)),
        ("2026", date(2026, 12, 31)),
        ("2026-05-01T10:00:00Z", date(2026, 5, 1)),
        ("some time in May", None),
        (None, None),
    ],
)
def test_the_last_day_of_a_date(text, day):
    assert pl.DataFrame({"date": pl.Series([text], dtype=pl.String)}).select(last_day()).item() == day


def test_a_period_counts_from_its_end_and_undated_rows_are_left_out():
    table = pl.DataFrame({"date": ["2026-05-01", "2025-01-01..2026-06-01", None, "2026-05"]})
    assert rows_until(table, date(2026, 5, 30))["date"].to_list() == ["2026-05-01"]
    assert rows_until(table, date(2026, 5, 31))["date"].to_list() == ["2026-05-01", "2026-05"]
    assert rows_until(table, None).height == 4


def test_load_points_as_of_a_day_holds_nothing_later():
    points = load_points(as_of=date(2026, 2, 1))
    assert 0 < points.height < load_points().height
    assert points.select(last_day().max()).item() <= date(2026, 2, 1)


def test_a_day_before_all_points_says_how_many_are_undated():
    with pytest.raises(NoData, match=r"dated 2020-01-01 or earlier \([\d,]+ rows? without a date left out\)"):
        load_points(as_of=date(2020, 1, 1))
