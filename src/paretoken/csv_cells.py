"""Cells of CSV files that a spreadsheet shows and never computes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_FORMULA = "^'*[=+@\\t\\r\\n＝＋－＠-]"
"""How a cell begins that a spreadsheet takes for a formula, or that has an apostrophe before such a beginning."""
_QUOTED = "^'('*[=+@\\t\\r\\n＝＋－＠-])"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def quoted(cell: str) -> str:
    """The cell as it is written: with an apostrophe before what begins like a formula and is no number."""
    return f"'{cell}" if re.match(_FORMULA, cell) and not re.fullmatch(_NUMBER, cell) else cell


def unquoted(cell: str) -> str:
    """The value of a cell that `quoted` wrote."""
    return cell[1:] if re.match(_QUOTED, cell) else cell


def with_quoted_cells(table: pl.DataFrame) -> pl.DataFrame:
    """The table with every cell and column name quoted, for `write_csv`."""
    import polars as pl

    texts = [name for name, kind in table.schema.items() if kind in (pl.String, pl.Categorical, pl.Enum)]
    return table.with_columns(_quoted_column(pl.col(name).cast(pl.String)).alias(name) for name in texts).rename(quoted)


def _quoted_column(cells: pl.Expr) -> pl.Expr:
    import polars as pl

    computed = cells.str.contains(_FORMULA) & ~cells.str.contains(f"^(?:{_NUMBER})$")
    return pl.when(computed).then("'" + cells).otherwise(cells)


def with_unquoted_cells(table: pl.DataFrame) -> pl.DataFrame:
    """The values of a table of texts that `with_quoted_cells` was written from."""
    import polars as pl

    return table.with_columns(pl.col(pl.String).str.replace(_QUOTED, "${1}")).rename(unquoted)
