"""What renting costs on a day: median of provider medians by accelerator and term, and the data it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import TypeAlias

import polars as pl

from paretoken.errors import BadConfig, UnknownName
from paretoken.plural import counted
from paretoken.prices.market.names import SERVED
from paretoken.prices.market.terms import RENTED, TERMS

WINDOW_DAYS = 180
STALE_DAYS = 90
FEWEST = 3
"""With fewer providers a cell shows its rows instead of a median."""
Day: TypeAlias = date


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One provider's price in a cell: the median of its rows on its latest day there."""

    provider: str
    usd_per_gpu_h: float
    rows: int
    date: Day
    source: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketCell:
    """One accelerator and term on a day. Median and quartiles, USD per GPU-hour, are None with too few providers.

    `rows` counts all prices in the window; `age_days` is the age of the newest, `stale` if that is over 90 days.
    `offers` are the providers' prices, cheapest first.
    """

    accelerator: str
    forms: tuple[str, ...]
    term: str
    at: date
    median_usd_per_gpu_h: float | None
    q1: float | None
    q3: float | None
    providers: int
    rows: int
    age_days: int | None
    stale: bool
    too_few: bool
    offers: tuple[Offer, ...]

    @property
    def evidence(self) -> str:
        """The data behind the price, in words."""
        if not self.offers:
            return "no price"
        age = f"newest {counted(self.age_days or 0, 'day')} old" + (", stale" if self.stale else "")
        return f"{counted(self.providers, 'provider')}, {counted(self.rows, 'row')}, {age}" + (
            ", too few" if self.too_few else ""
        )

    @property
    def indication(self) -> float | None:
        """The median, or with too few providers the middle of what there is, which no table shows as a price."""
        if self.median_usd_per_gpu_h is not None or not self.offers:
            return self.median_usd_per_gpu_h
        return float(median(o.usd_per_gpu_h for o in self.offers))


def cell_at(
    book: pl.DataFrame,
    accelerator: str,
    term: str,
    at: date,
    forms: Sequence[str] = SERVED,
    window_days: int = WINDOW_DAYS,
) -> MarketCell:
    """The cell of a flagged book; rows with an excluding flag take no part."""
    checked_term(term)
    rows = _in_window(book, at, window_days).filter(
        (pl.col("accelerator") == accelerator) & (pl.col("term") == term) & pl.col("form").is_in(list(forms))
    )
    offers = tuple(_offers(rows))
    q1, middle, q3 = _quartiles([o.usd_per_gpu_h for o in offers])
    newest = max(rows["date"].to_list(), default=None)
    age_days = None if newest is None else (at - newest).days
    return MarketCell(
        accelerator=accelerator,
        forms=tuple(forms),
        term=term,
        at=at,
        median_usd_per_gpu_h=middle,
        q1=q1,
        q3=q3,
        providers=len(offers),
        rows=rows.height,
        age_days=age_days,
        stale=age_days is not None and age_days > STALE_DAYS,
        too_few=len(offers) < FEWEST,
        offers=offers,
    )


def cells_at(
    book: pl.DataFrame, accelerators: Iterable[str], terms: Iterable[str], at: date, forms: Sequence[str] = SERVED
) -> list[MarketCell]:
    """The cell of every accelerator and term."""
    terms = list(terms)
    return [cell_at(book, a, t, at, forms) for a in accelerators for t in terms]


def availability(book: pl.DataFrame, at: date, window_days: int = WINDOW_DAYS) -> pl.DataFrame:
    """Providers that rent out each accelerator at each term within the window: accelerator, any, one column a term.

    The column of a term that nobody offers is null.
    """
    rows = _in_window(book, at, window_days).filter(pl.col("term").is_in(list(RENTED)))
    each = rows.group_by("accelerator", "term").agg(pl.col("provider").n_unique())
    anyhow = rows.group_by("accelerator").agg(any=pl.col("provider").n_unique())
    wide = each.pivot("term", index="accelerator", values="provider").join(anyhow, on="accelerator")
    wide = wide.with_columns(pl.lit(None, pl.UInt32).alias(t) for t in RENTED if t not in wide.columns)
    return wide.select("accelerator", "any", *RENTED).sort("any", "accelerator", descending=[True, False])


def vendors_offered(
    book: pl.DataFrame, vendor_of: dict[str, str], at: date, window_days: int = WINDOW_DAYS
) -> dict[str, int]:
    """How many providers rent out any accelerator of each vendor within the window."""
    rows = _in_window(book, at, window_days).filter(pl.col("term").is_in(list(RENTED)))
    by = rows.with_columns(vendor=pl.col("accelerator").replace_strict(vendor_of, default=None)).drop_nulls("vendor")
    return dict(by.group_by("vendor").agg(pl.col("provider").n_unique()).sort("provider", descending=True).iter_rows())


def checked_term(term: str) -> str:
    """The term, if there is such a bucket; UnknownName if not."""
    if term not in TERMS:
        raise UnknownName("rental term", term, list(TERMS))
    return term


def day_of(text: str | None, today: date) -> date:
    """The day a user writes, today by default; BadConfig if it is not a date or in the future."""
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError as e:
        raise BadConfig(f"{text!r} is not a date; write YYYY-MM-DD") from e
    if day > today:
        raise BadConfig(f"{day} is in the future (today is {today}); give an earlier day")
    return day


def _in_window(book: pl.DataFrame, at: date, window_days: int) -> pl.DataFrame:
    return book.filter(pl.col("counts") & (pl.col("date") <= at) & (pl.col("date") > at - timedelta(days=window_days)))


def _quartiles(prices: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """The quartiles, linearly interpolated; None with too few providers."""
    if len(prices) < FEWEST:
        return None, None, None
    series = pl.Series(prices, dtype=pl.Float64)
    return series.quantile(0.25, "linear"), series.quantile(0.5, "linear"), series.quantile(0.75, "linear")


def _offers(rows: pl.DataFrame) -> Iterator[Offer]:
    latest = rows.filter(pl.col("date") == pl.col("date").max().over("provider"))
    by_provider = latest.group_by("provider").agg(
        pl.col("usd_per_gpu_h").median(),
        pl.len().alias("rows"),
        pl.col("date").first(),
        pl.col("source").sort().first(),
        pl.col("licence").sort().first(),
    )
    return (Offer(**row) for row in by_provider.sort("usd_per_gpu_h", "provider").iter_rows(named=True))
