"""The check of a table against the schema: columns of every type are read or refused, value by value."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from paretoken.errors import BadRows
from paretoken.points.check import checked

TABLE = pl.DataFrame(
    {
        "origin": "measured",
        "source": "x",
        "accelerator": "H200",
        "n_gpus": 8,
        "model": "m",
        "engine": "vllm",
        "isl": 1024,
        "osl": 1024,
        "load_kind": "closed",
        "concurrency": 4.0,
    }
    for _ in range(2)
)


@pytest.mark.parametrize(
    ("name", "series", "expected"),
    [
        ("tp", pl.Series([" 8 ", ""]), [8, None]),
        ("tp", pl.Series([8.0, None]), [8, None]),
        ("tp", pl.Series(["8", None], dtype=pl.Categorical), [8, None]),
        ("tp", pl.Series([None, None], dtype=pl.List(pl.Int64)), [None, None]),
        ("error_rate", pl.Series([Decimal("0.5"), None]), [0.5, None]),
        ("dp_attention", pl.Series(["Yes", " 0 "]), [True, False]),
        ("date", pl.Series([date(2026, 11, 1), None]), ["2026-11-01", None]),
        ("notes", pl.Series([1, 2]), ["1", "2"]),
    ],
    ids=str,
)
def test_a_column_is_read_whatever_its_type(name, series, expected):
    read, errors = checked(TABLE.with_columns(series.alias(name)), "f.parquet")
    assert errors == [] and read[name].to_list() == expected


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("tp", 2.5, "is not a whole number"),
        ("tp", "2.5", "is not a whole number"),
        ("tp", {"a": 1}, "is not a whole number"),
        ("tp", 0, "must be above 0"),
        ("ep", -1, "must not be negative"),
        ("median_ttft_s", [1.0], "is not a number"),
        ("median_ttft_s", date(2026, 11, 1), "is not a number"),
        ("median_ttft_s", timedelta(1), "is not a number"),
        ("median_ttft_s", float("inf"), "is not a finite number"),
        ("median_ttft_s", "nan", "is not a finite number"),
        ("dp_attention", "perhaps", "is neither true nor false"),
        ("dp_attention", [True], "is neither true nor false"),
        ("notes", b"\xff", "is not text"),
        ("notes", {"a": 1}, "is not text"),
        ("origin", "invented", "is none of measured, published, predicted, emulated"),
        ("model", " ", "is empty; every operating point needs it"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_whatever_its_type(name, value, why):
    frame = TABLE.with_columns(pl.Series(name, [value, value]))
    with pytest.raises(BadRows, match=why) as refused:
        checked(frame, "f.parquet")
    assert [(e.row, e.column) for e in refused.value.errors] == [(1, name), (2, name)]
    assert checked(frame, "f.parquet", keep_going=True)[0].is_empty()
