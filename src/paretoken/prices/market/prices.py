"""The market's rents as a tariff, and the rent at which one accelerator equals another held against them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from paretoken.prices.market.cells import Cell, cell_at, known_term
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Held:
    """The break-even rent of an accelerator over latency, held against what it costs at one term.

    `low` to `high` is the range of the break-even over the latencies at which both have data, USD per
    GPU-hour. `price` is the market's median or None, `listed` what little there is with too few providers.
    `spread` is price − break-even at the cheapest and dearest latency: below 0 the accelerator is the cheaper.
    """

    term: str
    against_usd: float
    low: float
    high: float
    price: float | None
    listed: float | None
    thin: str

    @property
    def spread(self) -> tuple[float, float] | None:
        return None if self.price is None else (self.price - self.high, self.price - self.low)

    def verdict(self, accelerator: str, against: str) -> str:
        """Who should rent what at this term."""
        if self.high <= 0:
            return f"{accelerator} is the cheaper at no rent: to switch costs more than it saves"
        always = f"below {self.low:.2f}" if self.low > 0 else "at no rent"
        needed = f"{accelerator} is the cheaper {always} at every latency, above {self.high:.2f} at none"
        if self.price is None:
            listed = "" if self.listed is None else f"; too few rows to call it a price, around {self.listed:.2f}"
            return f"no market price: {needed}{listed}"
        if self.price <= self.low:
            return f"rent {accelerator} at every latency"
        if self.price >= self.high:
            return f"rent {against} at every latency; {accelerator} would have to cost {self.high:.2f} or less"
        return f"rent {accelerator} where its break-even rent is above {self.price:.2f}, {against} elsewhere"


def market_tariff(
    book: pl.DataFrame, term: str, at: date, accelerators: Iterable[str]
) -> tuple[Tariff, dict[str, Cell]]:
    """(tariff of the accelerators with a market price at the term, the cell of every accelerator)."""
    known_term(term)
    found = {a: cell_at(book, a, term, at) for a in accelerators}
    priced = {a: c for a, c in found.items() if c.median is not None}
    newest = max((o.date for c in priced.values() for o in c.offers), default=None)
    price = Tariff(
        "market",
        term,
        f"Market, {term}",
        {a: c.median for a, c in priced.items()},
        {},
        "",
        f"median of provider medians within 180 days before {at}",
        str(newest or ""),
        tuple(a for a, c in priced.items() if c.stale),
    )
    return price, found


def held(term: str, against_usd: float, break_even_usd: Iterable[float], price: Cell) -> Held:
    """The break-even rents over latency against what the accelerator costs at the term."""
    rents = list(break_even_usd)
    listed = price.indication if price.median is None else None
    return Held(term, against_usd, float(min(rents)), float(max(rents)), price.median, listed, price.thin)


def cell_json(found: Cell) -> Mapping:
    """A cell as plain values."""
    return {
        "accelerator": found.accelerator,
        "forms": list(found.forms),
        "term": found.term,
        "at": str(found.at),
        "median_usd_per_gpu_h": found.median,
        "q1": found.q1,
        "q3": found.q3,
        "providers": found.providers,
        "rows": found.rows,
        "age_days": found.age_days,
        "stale": found.stale,
        "too_few": found.too_few,
        "offers": [
            {
                "provider": o.provider,
                "usd_per_gpu_h": o.usd_per_gpu_h,
                "rows": o.rows,
                "date": str(o.date),
                "source": o.source,
                "licence": o.licence,
            }
            for o in found.offers
        ],
    }
