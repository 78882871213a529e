"""The strict check of a table against the schema: every bad value is found, named and placed."""

from __future__ import annotations

import polars as pl

from paretoken.errors import BadFile, BadRows, RowError, nearest
from paretoken.points.acceptance import shares_of
from paretoken.points.schema import BY_NAME, STORED, Column, conform
from paretoken.points.unstated import NONE

ROUNDED = 0.005
"""Tokens a step: sources state acceptance lengths with two decimals."""
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def checked(frame: pl.DataFrame, file: str, *, keep_going: bool = False) -> tuple[pl.DataFrame, list[RowError]]:
    """The rows that fit the schema, and an error for each value that does not.

    `frame` may hold text or typed columns. Raises BadFile for a wrong header and, unless
    `keep_going`, BadRows if any value is wrong; with it, only the rows at fault are left out.
    """
    check_header(frame.columns, file)
    raw = {name: frame[name] for name in frame.columns if not BY_NAME[name].derived}
    typed = {name: _cast(series, BY_NAME[name]) for name, series in raw.items()}
    errors: list[RowError] = []
    for name, column in typed.items():
        errors += _faults(BY_NAME[name], raw[name], column, file)
    table = conform(pl.DataFrame(typed))
    errors += contradictions(table, file)
    errors.sort(key=lambda e: e.row)
    if errors and not keep_going:
        raise BadRows(errors)
    if errors:
        bad = pl.Series([e.row - 1 for e in errors])
        keep = ~pl.int_range(table.height, eager=True).is_in(bad.implode())
        table = table.filter(keep)
    return table, errors


def check_header(names: list[str], file: str) -> None:
    """BadFile if a column is unknown, or one that every row needs is missing."""
    for name in names:
        if name not in BY_NAME:
            near = nearest(name, list(BY_NAME))
            hint = f"; did you mean {near[0]!r}?" if near else "; see docs/schema.md for the columns"
            raise BadFile(f"{file}: unknown column {name!r}{hint}")
    missing = [c.name for c in STORED if c.required and c.name not in names]
    if missing:
        raise BadFile(f"{file}: the column {missing[0]!r} is missing; every operating point needs it")


def contradictions(table: pl.DataFrame, file: str) -> list[RowError]:
    """An error for each impossible acceptance."""
    length, most = pl.col("acceptance_length"), pl.col("speculative_tokens") + 1
    drafting = table.with_row_index("_row").filter(
        length.is_not_null() | pl.col("acceptance_by_position").is_not_null()
    )
    faults = (
        ("acceptance_length", (length > 0) & (length < 1), "is below 1, and a step emits one token of its own"),
        ("acceptance_length", length > most + ROUNDED, "is above the K + 1 tokens of a step (speculative_tokens + 1)"),
        ("acceptance_length", (length > 1) & (pl.col("speculative") == NONE), "contradicts speculative none"),
        (
            "acceptance_by_position",
            pl.col("acceptance_by_position").map_elements(lambda t: shares_of(t) is None, pl.Boolean),
            "is no list of shares from 0 to 1 that do not rise, such as 0.8 0.6 0.4",
        ),
    )
    return [
        RowError(file, row + 1, column, str(value), why)
        for column, wrong, why in faults
        for row, value in drafting.filter(wrong).select("_row", column).iter_rows()
    ]


def _cast(series: pl.Series, column: Column) -> pl.Series:
    if series.dtype == column.dtype:
        return series
    if series.dtype == pl.String:
        text = series.str.strip_chars()
        text = text.set(text == "", None)
        if column.kind == "bool":
            low = text.str.to_lowercase()
            frame = pl.DataFrame({"t": low})
            return (
                frame.select(pl.when(pl.col("t").is_in(_TRUE)).then(True).when(pl.col("t").is_in(_FALSE)).then(False))
                .to_series()
                .alias(series.name)
            )
        return text.cast(column.dtype, strict=False)
    try:
        return series.cast(column.dtype, strict=False)
    except pl.exceptions.PolarsError:  # lists and structures have no cast at all
        return pl.Series(series.name, [None] * len(series), column.dtype)


def _faults(column: Column, raw: pl.Series, typed: pl.Series, file: str) -> list[RowError]:
    """Every value of one column that breaks its type or its rule, as errors with the row counted from 1."""
    filled = raw.is_not_null()
    if raw.dtype == pl.String:
        filled &= raw.str.strip_chars() != ""
    faults: list[tuple[pl.Series, str]] = []
    if column.required:
        faults.append((~filled, "is empty; every operating point needs it"))
    words = {"int": "is not a whole number", "float": "is not a number", "bool": "is neither true nor false"}
    faults.append((filled & typed.is_null(), words.get(column.kind, "is not text")))
    if column.kind == "float":
        faults.append(((~typed.is_finite()).fill_null(False), "is not a finite number"))
    if column.rule == "positive":
        faults.append(((typed <= 0).fill_null(False), "must be above 0"))
    elif column.rule == "nonnegative":
        faults.append(((typed < 0).fill_null(False), "must not be negative"))
    elif isinstance(column.rule, tuple):
        allowed = list(column.rule)
        faults.append(((~typed.is_in(allowed)).fill_null(False), f"is none of {', '.join(allowed)}"))
    errors = []
    for mask, why in faults:
        for i in mask.arg_true():
            value = raw[i]
            errors.append(RowError(file, i + 1, column.name, "" if value is None else str(value), why))
    return errors
