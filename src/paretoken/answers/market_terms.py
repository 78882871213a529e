"""Break-even rents beside what an accelerator costs on the rental market, term by term."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import polars as pl
from pydantic import Field

from paretoken.errors import NoData
from paretoken.prices.market.cells import Cell, cell_at
from paretoken.prices.market.terms import RENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTerm:
    """The break-even rents of an accelerator over latency at one rental term, USD per GPU-hour.

    `market_usd_per_gpu_h` is the market's median or None, `listed_usd_per_gpu_h` what there is with too few
    providers. `spread_usd_per_gpu_h` is price − break-even where that is highest and where it is lowest: below 0
    the accelerator is cheaper. `low` and `high` are the ends of the break-even rents.
    """

    term: str
    against_usd_per_gpu_h: float
    break_even_usd_per_gpu_h: tuple[float, ...]
    market_usd_per_gpu_h: float | None
    listed_usd_per_gpu_h: float | None
    spread_usd_per_gpu_h: tuple[float, float] | None
    verdict: str
    data: str
    low: Annotated[float, Field(exclude=True)]
    high: Annotated[float, Field(exclude=True)]


def market_terms(
    book: pl.DataFrame,
    at: date,
    *,
    accelerator: str,
    against: str,
    rent_usd: float | None,
    terms: Sequence[str],
    ratio: Sequence[float],
    switching_usd_per_h: float,
) -> list[MarketTerm]:
    """Every term, or those named, at which `against` has a rent; NoData if it has none.

    `ratio` is throughput of the accelerator over that of the other at each latency. A stated `rent_usd` takes the
    place of the other's rent; terms at which nobody rents out the accelerator are then left out.
    """

    def answers() -> Iterator[MarketTerm]:
        for term in terms or RENTED:
            other, own = (cell_at(book, name, term, at) for name in (against, accelerator))
            rent = other.median if rent_usd is None else rent_usd
            if rent is not None and (rent_usd is None or own.offers or term in (terms or ("on-demand",))):
                yield _term(own, accelerator, against, rent, [rent * r - switching_usd_per_h for r in ratio])

    answered = list(answers())
    if not answered:
        raise NoData(
            f"{against} has no market price at {', '.join(terms or RENTED)} within 180 days before {at}; "
            "give --rent, another --term, or import prices"
        )
    return answered


def _term(own: Cell, accelerator: str, against: str, rent: float, break_even: list[float]) -> MarketTerm:
    low, high, price = min(break_even), max(break_even), own.median
    listed = own.indication if price is None else None
    return MarketTerm(
        term=own.term,
        against_usd_per_gpu_h=rent,
        break_even_usd_per_gpu_h=tuple(break_even),
        market_usd_per_gpu_h=price,
        listed_usd_per_gpu_h=listed,
        spread_usd_per_gpu_h=None if price is None else (price - high, price - low),
        verdict=_verdict(accelerator, against, (low, high), price, listed),
        data=own.thin,
        low=low,
        high=high,
    )


def _verdict(
    accelerator: str, against: str, rents: tuple[float, float], price: float | None, listed: float | None
) -> str:
    """Which of the two to rent at this term."""
    low, high = rents
    if high <= 0:
        return f"{accelerator} is the cheaper at no rent: to switch costs more than it saves"
    if price is None:
        always = f"below {low:.2f}" if low > 0 else "at no rent"
        needed = f"{accelerator} is the cheaper {always} at every latency, above {high:.2f} at none"
        few = "" if listed is None else f"; too few rows to call it a price, around {listed:.2f}"
        return f"no market price: {needed}{few}"
    if price <= low:
        return f"rent {accelerator} at every latency"
    if price >= high:
        return f"rent {against} at every latency; {accelerator} would have to cost {high:.2f} or less"
    return f"rent {accelerator} where its break-even rent is above {price:.2f}, {against} elsewhere"
