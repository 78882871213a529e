"""Ways to hold points back, so that an error is that of something not seen; by configuration, never by row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from paretoken.predict.arrays import Ints, Mask
from paretoken.predict.calibration.novelty import PUBLIC, sites
from paretoken.predict.calibration.sample import LOADED

SEED = 7
LATE = ("2026-01-15", "2026-03-15")
EARLY = ("2026-01-01", "2026-03-01")
CELL = ("accelerator", "engine", "model", "precision")


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One part held back: the split, what is held back, and the mask of its rows, shape (n,)."""

    split: str
    name: str
    mask: Mask


def _random(table: pl.DataFrame) -> Iterator[Fold]:
    half = parts(table, LOADED, 2, SEED) == 0
    yield Fold("random half", "first", half)
    yield Fold("random half", "second", ~half)


def ids(table: pl.DataFrame, columns: Sequence[str]) -> Ints:
    """A number for each row, shape (n,), the same where the columns are."""
    return table.select(_joined(columns).rank("dense").cast(pl.Int64).alias("id"))["id"].to_numpy()


def parts(table: pl.DataFrame, columns: Sequence[str], k: int, seed: int) -> Ints:
    """A part from 0 to k − 1 for each row, shape (n,), the same for all rows that agree in the columns.

    It is drawn by a hash of these: other rows do not move it, so that errors before and after new points compare.
    """
    names = table.select(_joined(columns).alias("name"))["name"]
    drawn = {name: draw(f"{seed}|{name}") % k for name in names.unique().to_list()}
    return np.array([drawn[name] for name in names.to_list()])


def _joined(columns: Sequence[str]) -> pl.Expr:
    return pl.concat_str([pl.col(c).cast(pl.String) for c in columns], separator="|")


def draw(text: str) -> int:
    """A number that a text always gives, far from those of similar texts."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _each(split: str, column: str) -> Callable[[pl.DataFrame], Iterator[Fold]]:
    def folds(table: pl.DataFrame) -> Iterator[Fold]:
        for value in sorted(table[column].unique().to_list()):
            yield Fold(split, str(value), (table[column] == value).to_numpy())

    return folds


def _tp(table: pl.DataFrame) -> Iterator[Fold]:
    """One size held back wherever a cell has another; elsewhere it would be a model or an accelerator held back."""
    sizes = table.select(pl.col("gpus").n_unique().over(CELL))["gpus"]
    for size in sorted(table["gpus"].unique().to_list()):
        yield Fold("tp", str(size), ((table["gpus"] == size) & (sizes > 1)).to_numpy())


def _cell(table: pl.DataFrame) -> Iterator[Fold]:
    """A quarter of the cells at a time: accelerator, engine and model are known, not together."""
    part = parts(table, CELL, 4, SEED)
    for k in range(4):
        yield Fold("cell", f"quarter {k + 1}", part == k)


def _workload(table: pl.DataFrame) -> Iterator[Fold]:
    for isl, osl in ((1024, 1024), (8192, 1024), (1024, 8192)):
        yield Fold("workload", f"{isl}/{osl}", ((table["isl"] == isl) & (table["osl"] == osl)).to_numpy())


def _site(table: pl.DataFrame) -> Iterator[Fold]:
    """All runs of one site held back; not those of the published harness, as too little would be left."""
    site = np.array(sites(table))
    for name in sorted({*site} - {PUBLIC}):
        yield Fold("site", name, site == name)


def _late(table: pl.DataFrame) -> Iterator[Fold]:
    """What is after a day is held back, and the medians that hold some of it: earlier dates alone are learned from."""
    date = table["date"].fill_null("9999")
    for day in LATE:
        yield Fold("later dates", f"after {day}", (date > day).to_numpy())


def _early(table: pl.DataFrame) -> Iterator[Fold]:
    """What is before a day is held back, and the medians that hold some of it."""
    date = table["date"].fill_null("0000")
    for day in EARLY:
        yield Fold("earlier dates", f"before {day}", (date < day).to_numpy())


SPLITS: dict[str, Callable[[pl.DataFrame], Iterator[Fold]]] = {
    "random half": _random,
    "tp": _tp,
    "workload": _workload,
    "cell": _cell,
    "accelerator": _each("accelerator", "accelerator"),
    "engine": _each("engine", "engine"),
    "model": _each("model", "model"),
    "site": _site,
    "later dates": _late,
    "earlier dates": _early,
}
"""By name, what yields the folds of a split from the table of a sample."""
