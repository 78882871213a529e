"""What renting costs on a day: median of provider medians by accelerator and term, and how much stands behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from paretoken.errors import BadConfig, UnknownName
from paretoken.prices.market.names import SERVED
from paretoken.prices.market.terms import RENTED, TERMS

WINDOW_DAYS = 180
STALE_DAYS = 90
FEWEST = 3
"""Under so many providers a cell shows its rows instead of a median."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One provider's price in a cell: the median of its rows on its latest day there."""

    provider: str
    usd_per_gpu_h: float
    rows: int
    date: date
    source: str
    licence: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One accelerator and term on a day. Median and quartiles, USD per GPU-hour, are None with too few providers.

    `rows` counts all prices in the window; `age_days` is the age of the newest, `stale` if that is over 90 days.
    """

    accelerator: str
    forms: tuple[str, ...]
    term: str
    at: date
    median: float | None
    q1: float | None
    q3: float | None
    offers: tuple[Offer, ...]
    rows: int
    age_days: int | None

    @property
    def providers(self) -> int:
        return len(self.offers)

    @property
    def too_few(self) -> bool:
        return self.providers < FEWEST

    @property
    def stale(self) -> bool:
        return self.age_days is not None and self.age_days > STALE_DAYS

    @property
    def thin(self) -> str:
        """How much stands behind the price, in words."""
        if not self.offers:
            return "no price"
        age = f"newest {self.age_days} days old" + (", stale" if self.stale else "")
        return f"{_n(self.providers, 'provider')}, {_n(self.rows, 'row')}, {age}" + (
            ", too few" if self.too_few else ""
        )

    @property
    def indication(self) -> float | None:
        """The median, or with too few providers the middle of what there is, which no table shows as a price."""
        prices = sorted(o.usd_per_gpu_h for o in self.offers)
        return self.median if self.median is not None or not prices else float(pl.Series(prices).median())


def cell_at(
    book: pl.DataFrame,
    accelerator: str,
    term: str,
    at: date,
    forms: Sequence[str] = SERVED,
    window_days: int = WINDOW_DAYS,
) -> Cell:
    """The cell of a flagged book; rows under an excluding trap take no part."""
    known_term(term)
    rows = _counted(book, at, window_days).filter(
        (pl.col("accelerator") == accelerator) & (pl.col("term") == term) & pl.col("form").is_in(list(forms))
    )
    offers = tuple(_offers(rows))
    prices = pl.Series([o.usd_per_gpu_h for o in offers], dtype=pl.Float64)
    enough = len(offers) >= FEWEST
    q1, middle, q3 = (float(prices.quantile(q, "linear")) if enough else None for q in (0.25, 0.5, 0.75))
    age = (at - rows["date"].max()).days if rows.height else None
    return Cell(accelerator, tuple(forms), term, at, middle, q1, q3, offers, rows.height, age)


def cells_at(book: pl.DataFrame, accelerators: Iterable[str], terms: Iterable[str], at: date, **choice) -> list[Cell]:
    """Every cell asked for."""
    terms = list(terms)
    return [cell_at(book, a, t, at, **choice) for a in accelerators for t in terms]


def availability(book: pl.DataFrame, at: date, window_days: int = WINDOW_DAYS) -> pl.DataFrame:
    """Providers that rent out each accelerator at each term within the window: accelerator, one column a term, any."""
    rows = _counted(book, at, window_days).filter(pl.col("term").is_in(list(RENTED)))
    each = rows.group_by("accelerator", "term").agg(pl.col("provider").n_unique())
    anyhow = rows.group_by("accelerator").agg(any=pl.col("provider").n_unique())
    wide = each.pivot("term", index="accelerator", values="provider").join(anyhow, on="accelerator")
    columns = [t for t in RENTED if t in wide.columns]
    return wide.select("accelerator", "any", *columns).sort("any", "accelerator", descending=[True, False])


def vendors_offered(
    book: pl.DataFrame, vendor_of: dict[str, str], at: date, window_days: int = WINDOW_DAYS
) -> dict[str, int]:
    """How many providers rent out anything of each vendor within the window."""
    rows = _counted(book, at, window_days).filter(pl.col("term").is_in(list(RENTED)))
    by = rows.with_columns(vendor=pl.col("accelerator").replace_strict(vendor_of, default=None)).drop_nulls("vendor")
    return dict(by.group_by("vendor").agg(pl.col("provider").n_unique()).sort("provider", descending=True).iter_rows())


def known_term(term: str) -> str:
    if term not in TERMS:
        raise UnknownName("rental term", term, list(TERMS))
    return term


def day_of(text: str | None, today: date) -> date:
    """The day a user writes, today by default; BadConfig if it is none or lies in the future."""
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError as e:
        raise BadConfig(f"{text!r} is not a date; write YYYY-MM-DD") from e
    if day > today:
        raise BadConfig(f"{day} lies in the future (today is {today}); there are no prices of it yet")
    return day


def _counted(book: pl.DataFrame, at: date, window_days: int) -> pl.DataFrame:
    return book.filter(pl.col("counts") & (pl.col("date") <= at) & (pl.col("date") > at - timedelta(days=window_days)))


def _offers(rows: pl.DataFrame) -> Iterable[Offer]:
    latest = rows.filter(pl.col("date") == pl.col("date").max().over("provider"))
    grouped = latest.group_by("provider").agg(
        pl.col("usd_per_gpu_h").median(),
        pl.len(),
        pl.col("date").first(),
        pl.col("source").sort().first(),
        pl.col("licence").sort().first(),
    )
    return (Offer(*row) for row in grouped.sort("usd_per_gpu_h", "provider").iter_rows())


def _n(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")
