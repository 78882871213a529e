"""Rows of a frontier of pools, as few as a table or the marks of a curve need."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log
from typing import TypeVar

from paretoken.answers.pool_rivals import AggregatedRow, MeasuredRow
from paretoken.answers.pools import PooledRow

Row = TypeVar("Row", bound=PooledRow | AggregatedRow | MeasuredRow)
TABLE_STEP = 1.25
"""Ratio of interactivities between two rows of a table; JSON and CSV have every point."""


def thinned(rows: Sequence[Row], step: float = TABLE_STEP) -> list[Row]:
    """The last row of each band of interactivity: of rows by falling interactivity, that with the most tokens."""
    return list({floor(log(r.interactivity_tok_s or 1) / log(step)): r for r in rows}.values())
