"""Quality flags: rows of a price book that mislead, by stated rules. Each row is kept and says why it is flagged.

A rule is a function from the whole book to a boolean column and one line in `QUALITY_FLAGS`. Rows with a
flag that `excludes` take no part in statistics; the others are shown with the flag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import cast

import polars as pl
from typing_extensions import TypedDict

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


class FlaggedRow(TypedDict):
    """A row of a flagged book."""

    provider: str
    region: str | None
    instance: str | None
    accelerator: str
    form: str
    memory_gb: float | None
    count: int | None
    term: str
    statistic: str
    upfront_share: float
    price: float | None
    currency: str
    usd_per_gpu_h: float | None
    date: date
    source: str | None
    licence: str | None
    quality: str
    flags: list[str]
    counts: bool


@dataclass(frozen=True, slots=True)
class QualityFlag:
    """`rule` gives True for the rows that the flag marks."""

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
    """Spot above the same provider's on-demand on the same day for the same GPU count."""
    same = [*_SAME, "region", "count", "date"]
    demand = pl.col("usd_per_gpu_h").filter(pl.col("term") == "on-demand").min().over(same)
    return _matches(book, (pl.col("term") == "spot") & (pl.col("usd_per_gpu_h") > demand * 1.001))


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
    by_word = _matches(book, (pl.col("term") == "on-demand") & worded)
    return by_word | rows["_row"].is_in(near["_row"].implode())


def _without_host(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """A list price of the GPU alone, to which the machine is added: a GPU price page or a single SKU."""
    by_page = pl.col("source").fill_null("").str.contains("gpus-pricing", literal=True)
    by_word = pl.col("instance").fill_null("").str.contains(rf"{_SKU}|(?i)gpu[- ]only")
    return _matches(book, by_page | by_word)


def _memory(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """A memory that the accelerator does not have: not as sold, on the package or as price lists give it."""
    have = {
        k: {a.hbm_gib, a.hbm_physical_gib or a.hbm_gib, *a.listed_gib} for k, a in catalog.accelerators.entries.items()
    } | {"A100-40GB": {40.0}}
    possible = [
        memory is None or name not in have or any(abs(memory - m) <= 0.02 * m for m in have[name])
        for name, memory in book.select("accelerator", "memory_gb").iter_rows()
    ]
    return ~pl.Series(possible, dtype=pl.Boolean)


def _form_unknown(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    return _matches(book, pl.col("accelerator").is_in(sold_in_several_forms(catalog)) & (pl.col("form") == ""))


def _zones(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """The most and the least expensive zone of one provider, day and term, if they differ five-fold."""
    same = [*_SAME, "term", "date"]
    low, high = pl.col("usd_per_gpu_h").min().over(same), pl.col("usd_per_gpu_h").max().over(same)
    extreme = (pl.col("usd_per_gpu_h") == low) | (pl.col("usd_per_gpu_h") == high)
    return _matches(book, (low > 0) & (high >= ZONES_APART * low) & extreme)


def _outlier(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """Over 4 times the median of its accelerator, form, term and year, or under 0.3 of it."""
    middle = pl.col("usd_per_gpu_h").median().over("accelerator", "form", "term", pl.col("date").dt.year())
    ratio = pl.col("usd_per_gpu_h") / middle
    many = pl.len().over("accelerator", "form", "term", pl.col("date").dt.year()) >= 5
    return _matches(book, many & ((ratio < OUTLIER[0]) | (ratio > OUTLIER[1])))


def _repeated(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """The same price of the same offer on the same day by another source; the source first by name is kept."""
    same = [*_SAME, "region", "count", "term", "date", "price", "currency"]
    first = pl.col("source").min().over(same)
    return _matches(book, pl.col("statistic").is_in(OFFERED) & (pl.col("source") != first))


def _doubted(book: pl.DataFrame, catalog: Catalog) -> pl.Series:
    return _matches(book, ~pl.col("quality").fill_null("ok").is_in(["ok", ""]))


QUALITY_FLAGS = (
    QualityFlag("no-price", "price 0, missing or not a number", True, _no_price),
    QualityFlag(
        "placeholder", "a placeholder bid: outside {:g} to {:g} USD".format(*PLACEHOLDER_USD), True, _placeholder
    ),
    QualityFlag("spot-above-on-demand", "spot above the same provider's on-demand", True, _spot_above_demand),
    QualityFlag("committed-as-on-demand", "a committed price labelled on-demand", True, _mislabelled),
    QualityFlag("gpu-without-host", "price of the GPU alone, without its machine", True, _without_host),
    QualityFlag("wrong-memory", "memory that the accelerator does not have", True, _memory),
    QualityFlag("outlier", "under 0.3 or over 4 times the median of its kind and year", True, _outlier),
    QualityFlag("repeated", "the same offer again, from another source", True, _repeated),
    QualityFlag("doubted", "doubted by its collector", True, _doubted),
    QualityFlag("form-unknown", "PCIe, SXM or NVL not stated", False, _form_unknown),
    QualityFlag("zones-apart", f"the provider's zones differ {ZONES_APART:g}-fold", False, _zones),
)
"""Every rule. Staleness depends on the day and is a property of a market cell."""

EXCLUDING = tuple(f.name for f in QUALITY_FLAGS if f.excludes)


def flagged(book: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The book with `flags`, the names of each row's quality flags, and `counts`, whether it enters statistics."""
    clean = book.with_columns(pl.col("usd_per_gpu_h").fill_nan(None))
    marked = {f.name: f.rule(clean, catalog).fill_null(False) for f in QUALITY_FLAGS}
    names = [[name for name, hit in zip(marked, row, strict=True) if hit] for row in zip(*marked.values(), strict=True)]
    flags = pl.Series("flags", names, dtype=pl.List(pl.String))
    excluded = pl.Series([any(n in EXCLUDING for n in row) for row in names], dtype=pl.Boolean)
    return book.with_columns(flags, (pl.col("statistic").is_in(OFFERED) & ~excluded).alias("counts"))


def flagged_rows(book: pl.DataFrame, accelerator: str | None = None) -> pl.DataFrame:
    """The rows of a flagged book that have a flag, of all accelerators or of one."""
    rows = book.filter(pl.col("flags").list.len() > 0)
    return rows.filter(pl.col("accelerator") == accelerator) if accelerator else rows


def flagged_dicts(rows: pl.DataFrame) -> tuple[FlaggedRow, ...]:
    """Rows of a flagged book as plain values."""
    return tuple(cast(FlaggedRow, row) for row in rows.iter_rows(named=True))


def flag_counts(book: pl.DataFrame) -> dict[str, int]:
    """How many rows of a flagged book each flag marks, the most frequent first."""
    return dict(book["flags"].explode(empty_as_null=True).drop_nulls().value_counts(sort=True).iter_rows())


def _matches(book: pl.DataFrame, rule: pl.Expr) -> pl.Series:
    return book.select(rule.fill_null(False)).to_series()
