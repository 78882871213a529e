"""The cells that are predicted worst, each with what may explain it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.bands import KINDS
from paretoken.predict.calibration.coverage import Intervals
from paretoken.predict.calibration.novelty import SPELL, months_between
from paretoken.predict.calibration.splits import CELL

MOST, FEW, FEWEST_CASES = 10, 10, 3
TRAITS = {
    "saturation": "saturated",
    "attention_dp": "attention data parallelism",
    "drafting": "speculative decoding",
    "lab": "a laboratory's runs",
}
"""What is worth a word besides being new, where it holds for most of a cell."""
FRESH_MONTHS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCell:
    """A cell in the split where its TPOT is furthest off: its cases, and why.

    `factor` is the median of the larger over the smaller of predicted and observed, `bias` that of
    ln(predicted/observed).
    """

    split: str
    accelerator: str
    engine: str
    model: str
    precision: str
    cases: int
    factor: float
    bias: float
    reason: str


def worst_cells(x: Intervals, table: pl.DataFrame, counted: Mask, most: int = MOST) -> list[WorstCell]:
    """The cells with the largest median error of TPOT in any split, worst first, among the counted rows."""
    rows = (
        table[x.cases.row]
        .select(*CELL, "date")
        .with_columns(
            split=pl.Series(np.array(x.splits)[x.cases.fold]),
            error=pl.Series(np.abs(np.expm1(-x.cases.residual[:, 0]))),
            bias=pl.Series(-x.cases.residual[:, 0]),
            at=pl.Series(np.arange(len(x.cases.row))),
        )
    )
    latest = table["date"].max()
    cells = (
        rows.filter(pl.Series(counted[x.cases.row] & x.cases.counted), pl.col("bias").is_finite())
        .group_by("split", *CELL)
        .agg(
            pl.len().alias("cases"),
            pl.col("bias").abs().median().exp().alias("factor"),
            pl.col("bias").median(),
            "at",
            "date",
        )
        .filter(pl.col("cases") >= FEWEST_CASES)
        .sort("factor", *CELL, "split", descending=[True] + [False] * (len(CELL) + 1))
        .unique(CELL, keep="first", maintain_order=True)
        .head(most)
    )
    points = Counter(table.select(CELL).iter_rows())
    out = []
    for row in cells.to_dicts():
        at, dates = row.pop("at"), [d for d in row.pop("date") if d]
        few = points[tuple(row[name] for name in CELL)] < FEW
        old = bool(dates) and isinstance(latest, str) and months_between(max(dates), latest) > FRESH_MONTHS
        out.append(WorstCell(**row, reason=", ".join(_reasons(x.cases.weights[at], few, old)) or "unexplained"))
    return out


def _reasons(weights: Floats, few: bool, old: bool) -> Iterator[str]:
    """In words: in what most of the cases are new, and their traits."""
    usual = dict(zip(KINDS, np.median(weights, axis=0).tolist(), strict=True))
    yield from (
        f"new {word}" if kind != "site" else word for kind, word in SPELL.items() if word and usual[kind] >= 0.5
    )
    yield from (word for kind, word in TRAITS.items() if usual[kind] >= 0.5)
    if few:
        yield "few points"
    if old:
        yield "old software"
