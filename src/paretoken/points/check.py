"""The strict check of a table against the schema: every bad value is found, named and placed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import polars as pl

from paretoken.errors import BadFile, BadRows, RowError, nearest
from paretoken.points.acceptance import shares_of
from paretoken.points.schema import BY_NAME, STORED, Column, conform
from paretoken.points.unstated import NONE

ROUNDED = 0.005
"""Tokens a step: sources state acceptance lengths with two decimals."""
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")
_NOT_OF = {"int": "is not a whole number", "float": "is not a number", "bool": "is neither true nor false"}
_TEXTS = (pl.String, pl.Categorical, pl.Enum)
_RAW = "raw "
"""Before the name of a column: its values as they were read."""


def checked(frame: pl.DataFrame, file: str, *, keep_going: bool = False) -> tuple[pl.DataFrame, list[RowError]]:
    """The rows that fit the schema, and an error for each value that does not.

    `frame` may hold text or typed columns. Raises BadFile for a wrong header and, unless
    `keep_going`, BadRows if any value is wrong; with it, only the rows at fault are left out.
    """
    check_header(frame.columns, file)
    raw = frame.select(name for name in frame.columns if not BY_NAME[name].derived)
    typed = raw.with_columns(_typed(BY_NAME[name], dtype) for name, dtype in raw.schema.items())
    table = conform(typed)
    errors = _faults(raw, typed, file) + contradictions(table, file)
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


def _typed(column: Column, dtype: pl.DataType) -> pl.Expr:
    """The values of a column in its type, null where they have none in it."""
    value = pl.col(column.name)
    if dtype == column.dtype:
        return value
    if dtype in _TEXTS and column.kind != "str":
        text = value.cast(pl.String).str.strip_chars()
        if column.kind != "bool":
            return text.cast(column.dtype, strict=False)
        word = text.str.to_lowercase()
        return pl.when(word.is_in(_TRUE)).then(True).when(word.is_in(_FALSE)).then(False).alias(column.name)
    if column.kind == "str":
        fits = not dtype.is_nested() and dtype not in (pl.Object, pl.Binary, pl.Duration)
    else:
        fits = dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
    return (value if fits else pl.lit(None).alias(column.name)).cast(column.dtype, strict=False)


def _faults(raw: pl.DataFrame, typed: pl.DataFrame, file: str) -> list[RowError]:
    """Every value that breaks its type or its rule, as errors with the row counted from 1."""
    both = typed.with_columns(raw[name].alias(_RAW + name) for name in raw.columns)
    # Most columns of most tables are empty.
    columns = [c for c in raw if BY_NAME[c.name].required or c.null_count() < len(c)]
    rules = [(c.name, wrong, why) for c in columns for wrong, why in _rules(BY_NAME[c.name], c.dtype)]
    broken = both.select(wrong.any().alias(str(i)) for i, (_, wrong, _) in enumerate(rules)).row(0)
    errors = []
    for name, wrong, why in itertools.compress(rules, broken):
        for i in both.select(pl.arg_where(wrong)).to_series():
            value = raw[name][i]
            errors.append(RowError(file, i + 1, name, "" if value is None else str(value), why))
    return errors


def _rules(column: Column, dtype: pl.DataType) -> Iterator[tuple[pl.Expr, str]]:
    """What is wrong in a column, and why; `dtype` is the type of its raw values."""
    raw, typed = pl.col(_RAW + column.name), pl.col(column.name)
    is_filled = raw.is_not_null()
    if dtype in _TEXTS:
        is_filled &= raw.cast(pl.String).str.strip_chars() != ""
    if column.required:
        yield ~is_filled, "is empty; every operating point needs it"
    unlike = typed.is_null() | (raw != typed) if column.kind == "int" and dtype.is_float() else typed.is_null()
    yield is_filled & unlike, _NOT_OF.get(column.kind, "is not text")
    if column.kind == "float":
        yield ~typed.is_finite(), "is not a finite number"
    if column.rule == "positive":
        yield typed <= 0, "must be above 0"
    elif column.rule == "nonnegative":
        yield typed < 0, "must not be negative"
    elif isinstance(column.rule, tuple):
        yield ~typed.is_in(column.rule), f"is none of {', '.join(column.rule)}"
