"""The market's rents as a tariff, and an accelerator's break-even rent compared with its market rent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date

import polars as pl

from paretoken.prices.market.cells import WINDOW_DAYS, MarketCell, cell_at, checked_term
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketBreakEven:
    """The break-even rent of an accelerator over latency, compared with its market rent at one term.

    `low` to `high` is the range of the break-even over the latencies at which both have data, USD per
    GPU-hour. `price` is the market's median or None, `listed` the little there is with too few providers.
    `spread` is price − break-even at the highest and lowest break-even: below 0 the accelerator is cheaper.
    """

    term: str
    against_usd: float
    low: float
    high: float
    price: float | None
    listed: float | None
    evidence: str

    @property
    def spread(self) -> tuple[float, float] | None:
        return None if self.price is None else (self.price - self.high, self.price - self.low)

    def verdict(self, accelerator: str, against: str) -> str:
        """Which of the two to rent at this term."""
        if self.high <= 0:
            return f"{accelerator} is never cheaper: switching costs more than it saves"
        often = f"at every latency below {self.low:.2f}" if self.low > 0 else "at some latencies"
        needed = f"{accelerator} is cheaper {often}, at none above {self.high:.2f}"
        if self.price is None:
            listed = "" if self.listed is None else f"; too few rows for a median, around {self.listed:.2f}"
            return f"no market price: {needed}{listed}"
        if self.price <= self.low:
            return f"rent {accelerator} at every latency"
        if self.price >= self.high:
            return f"rent {against} at every latency; {accelerator} would have to cost {self.high:.2f} or less"
        return f"rent {accelerator} where its break-even rent is above {self.price:.2f}, {against} elsewhere"


def market_tariff(
    book: pl.DataFrame, term: str, at: date, accelerators: Iterable[str]
) -> tuple[Tariff, dict[str, MarketCell]]:
    """(tariff of the accelerators with a market price at the term, the cell of every accelerator)."""
    checked_term(term)
    cells = {a: cell_at(book, a, term, at) for a in accelerators}
    priced = {a: c for a, c in cells.items() if c.median_usd_per_gpu_h is not None}
    newest = max((o.date for c in priced.values() for o in c.offers), default=None)
    stale_days = {a: c.age_days for a, c in priced.items() if c.stale and c.age_days is not None}
    market = Tariff(
        price_set="market",
        tier=term,
        name=f"Market, {term}",
        usd_per_gpu_h={a: c.median_usd_per_gpu_h for a, c in priced.items() if c.median_usd_per_gpu_h is not None},
        kw_per_gpu={},
        kw_basis="",
        source=f"median of provider medians within {WINDOW_DAYS} days before {at}",
        date=str(newest or ""),
        placeholders=tuple(stale_days),
        stale_days=stale_days,
    )
    return market, cells


def market_break_even(
    term: str, against_usd: float, break_even_usd: Iterable[float], market: MarketCell
) -> MarketBreakEven:
    """The break-even rents over latency against what the accelerator rents at."""
    rents = list(break_even_usd)
    return MarketBreakEven(
        term=term,
        against_usd=against_usd,
        low=float(min(rents)),
        high=float(max(rents)),
        price=market.median_usd_per_gpu_h,
        listed=market.indication if market.median_usd_per_gpu_h is None else None,
        evidence=market.evidence,
    )


def cell_json(cell: MarketCell) -> dict[str, object]:
    """A cell as plain values."""
    return {**asdict(cell), "at": str(cell.at)}
