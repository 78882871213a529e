"""Rows of a price book that mislead, by stated rules: each is kept and flagged, and says why.

A rule is a function from the whole book to a boolean column and one line in `TRAPS`. Rows under a
trap that `excludes` take no part in statistics; the others are shown with the flag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.prices.market.book import OFFERED
from paretoken.prices.market.names import sold_in_several_forms
from paretoken.prices.market.terms import COMMITTED

ZONES_APART = 5.0
OUTLIER = (0.3, 4.0)
PLACEHOLDER_USD = (0.05, 100.0)
COMMITTED_DAYS = 120
_SAME = ("provider", "accelerator", "form")
_SKU = r"^[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}$"
_COMMITMENT = r"(?i)reserv|commit|contract|prepa|(?:\b|-)(?:[1-5])[- ]?(?:yr|year)|(?:12|24|36|60)[- ]?month"


@dataclass(frozen=True, slots=True)
class Trap:
    """`rule` gives True for the rows that fall into it."""

    name: str
    text: str
    excludes: bool
    rule: Callable[[pl.DataFrame, Catalog], pl.Series]


def _no_price(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    return book["usd_per_gpu_h"].is_null() | (book["usd_per_gpu_h"] <= 0)


def _placeholder(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    price = book["usd_per_gpu_h"]
    return ((price > 0) & (price < PLACEHOLDER_USD[0])) | (price > PLACEHOLDER_USD[1])


def _spot_above_demand(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """Spot dearer than the same provider's on-demand on the same day for as many GPUs."""
    same = [*_SAME, "region", "count", "date"]
    demand = pl.col("usd_per_gpu_h").filter(pl.col("term") == "on-demand").min().over(same)
    return _holds(book, (pl.col("term") == "spot") & (pl.col("usd_per_gpu_h") > demand * 1.001))


def _mislabelled(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """On-demand in name, but the row speaks of a commitment, or has the provider's committed price of those months."""
    worded = pl.concat_str(pl.col("instance").fill_null(""), pl.lit(" "), pl.col("quality").fill_null("")).str.contains(
        _COMMITMENT
    )
    rows = book.with_row_index("_row")
    demand = rows.filter(pl.col("term") == "on-demand")
    committed = rows.filter(pl.col("term").is_in(COMMITTED)).select(*_SAME, "count", "date", committed="usd_per_gpu_h")
    near = (
        demand.join(committed, on=[*_SAME], suffix="_c")
        .filter((pl.col("date") - pl.col("date_c")).dt.total_days().abs() <= COMMITTED_DAYS)
        .filter(pl.col("usd_per_gpu_h") <= pl.col("committed") * 1.001)
    )
    by_word = _holds(book, (pl.col("term") == "on-demand") & worded)
    return by_word | rows["_row"].is_in(near["_row"].implode())


def _without_host(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """A list price of the GPU alone, to which the machine is added: a GPU price page or a single SKU."""
    by_page = pl.col("source").fill_null("").str.contains("gpus-pricing", literal=True)
    by_word = pl.col("instance").fill_null("").str.contains(rf"{_SKU}|(?i)gpu[- ]only")
    return _holds(book, by_page | by_word)


def _memory(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """A memory that the accelerator does not have, be it usable or physical: MI325X with 288 GB, for one."""
    have = {k: sorted({a.hbm_gb, a.hbm_physical_gb or a.hbm_gb}) for k, a in catalog.accelerators.items()} | {
        "A100-40GB": [40.0]
    }
    known = [
        memory is None or name not in have or any(abs(memory - m) <= 0.02 * m for m in have[name])
        for name, memory in book.select("accelerator", "memory_gb").iter_rows()
    ]
    return ~pl.Series(known, dtype=pl.Boolean)


def _form_unknown(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    return _holds(book, pl.col("accelerator").is_in(sold_in_several_forms(catalog)) & (pl.col("form") == ""))


def _zones(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """The dearest and the cheapest zone of one provider, day and term, if they differ five-fold."""
    same = [*_SAME, "term", "date"]
    low, high = pl.col("usd_per_gpu_h").min().over(same), pl.col("usd_per_gpu_h").max().over(same)
    extreme = (pl.col("usd_per_gpu_h") == low) | (pl.col("usd_per_gpu_h") == high)
    return _holds(book, (low > 0) & (high >= ZONES_APART * low) & extreme)


def _outlier(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """Off the median of its accelerator, form, term and year by more than a factor of 4, or under 0.3 of it."""
    middle = pl.col("usd_per_gpu_h").median().over("accelerator", "form", "term", pl.col("date").dt.year())
    ratio = pl.col("usd_per_gpu_h") / middle
    many = pl.len().over("accelerator", "form", "term", pl.col("date").dt.year()) >= 5
    return _holds(book, many & ((ratio < OUTLIER[0]) | (ratio > OUTLIER[1])))


def _repeated(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """The same price of the same offer on the same day by another source; the source first by name is kept."""
    same = [*_SAME, "region", "count", "term", "date", "price", "currency"]
    first = pl.col("source").min().over(same)
    return _holds(book, pl.col("statistic").is_in(OFFERED) & (pl.col("source") != first))


def _doubted(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    return _holds(book, ~pl.col("quality").fill_null("ok").is_in(["ok", ""]))


TRAPS = (
    Trap("no-price", "price 0, missing or not a number", True, _no_price),
    Trap("placeholder", "a placeholder bid: outside {:g} to {:g} USD".format(*PLACEHOLDER_USD), True, _placeholder),
    Trap("spot-above-on-demand", "spot above the same provider's on-demand", True, _spot_above_demand),
    Trap("committed-as-on-demand", "a committed price labelled on-demand", True, _mislabelled),
    Trap("gpu-without-host", "price of the GPU alone, without its machine", True, _without_host),
    Trap("wrong-memory", "memory that the accelerator does not have", True, _memory),
    Trap("outlier", "under 0.3 or over 4 times the median of its kind and year", True, _outlier),
    Trap("repeated", "the same offer again, from another source", True, _repeated),
    Trap("doubted", "doubted by its collector", True, _doubted),
    Trap("form-unknown", "PCIe, SXM or NVL not stated", False, _form_unknown),
    Trap("zones-apart", f"the provider's zones differ {ZONES_APART:g}-fold", False, _zones),
)
"""Every rule; staleness depends on the day asked for and is told by `cells`."""

EXCLUDING = tuple(t.name for t in TRAPS if t.excludes)


def flagged(book: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The book with `flags`, the names of the traps each row is in, and `counts`, whether it enters statistics."""
    sound = book.with_columns(pl.col("usd_per_gpu_h").fill_nan(None))
    caught = {t.name: t.rule(sound, catalog).fill_null(False) for t in TRAPS}
    names = [[name for name, hit in zip(caught, row, strict=True) if hit] for row in zip(*caught.values(), strict=True)]
    out = pl.Series("flags", names, dtype=pl.List(pl.String))
    barred = pl.Series([any(n in EXCLUDING for n in row) for row in names], dtype=pl.Boolean)
    return book.with_columns(out, (pl.col("statistic").is_in(OFFERED) & ~barred).alias("counts"))


def _holds(book: pl.DataFrame, rule: pl.Expr) -> pl.Series:
    return book.select(rule.fill_null(False)).to_series()
