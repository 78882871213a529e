"""Break-even rents beside what an accelerator costs on the rental market, term by term."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from paretoken.answers.market import Market
from paretoken.errors import NoData
from paretoken.prices.market.cells import MarketCell, cell_at
from paretoken.prices.market.prices import market_break_even
from paretoken.prices.market.terms import RENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTerm:
    """The break-even rents of an accelerator over latency at one rental term, USD per GPU-hour.

    `market_usd_per_gpu_h` is the market's median or None, or the price that you state, `listed_usd_per_gpu_h` what
    there is with too few providers. `spread_usd_per_gpu_h` is price − break-even where that is highest and where it is
    lowest: below 0 the accelerator is cheaper. `low` and `high` are the ends of the break-even rents. Spread, ends and
    verdict leave out the latencies that are withheld; without any other they are None.
    """

    term: str
    against_usd_per_gpu_h: float
    break_even_usd_per_gpu_h: tuple[float, ...]
    market_usd_per_gpu_h: float | None
    listed_usd_per_gpu_h: float | None
    spread_usd_per_gpu_h: tuple[float, float] | None
    verdict: str
    data: str
    low: Annotated[float | None, Field(exclude=True)]
    high: Annotated[float | None, Field(exclude=True)]


def market_terms(
    market: Market,
    *,
    accelerator: str,
    against: str,
    rent_usd: float | None,
    price_usd: float | None = None,
    terms: Sequence[str],
    ratio: Sequence[float],
    withheld: Sequence[str | None],
    switching_usd_per_h: float,
) -> list[MarketTerm]:
    """Every term, or those named, at which `against` has a rent; NoData if it has none.

    `ratio` is throughput of the accelerator over that of the other at each latency, `withheld` why that is not to be
    relied on. A stated `rent_usd` takes the place of the other's rent; terms at which nobody rents out the accelerator
    are then left out. A stated `price_usd` takes the place of the accelerator's own rents.
    """

    def answers() -> Iterator[MarketTerm]:
        for term in terms or RENTED:
            other, own = (cell_at(market.book, name, term, market.at) for name in (against, accelerator))
            rent = other.median_usd_per_gpu_h if rent_usd is None else rent_usd
            if rent is not None and (rent_usd is None or own.offers or term in (terms or ("on-demand",))):
                break_even = [rent * r - switching_usd_per_h for r in ratio]
                yield _term(own, accelerator, against, rent, break_even, withheld, price_usd)

    answered = list(answers())
    if not answered:
        raise NoData(
            f"{against} has no market price at {', '.join(terms or RENTED)} within 180 days before {market.at}; "
            "give --rent, another --term, or import prices"
        )
    return answered


def _term(
    own: MarketCell,
    accelerator: str,
    against: str,
    rent: float,
    break_even: Sequence[float],
    withheld: Sequence[str | None],
    price_usd: float | None,
) -> MarketTerm:
    sound = [usd for usd, reason in zip(break_even, withheld, strict=True) if not reason]
    compared = market_break_even(own.term, rent, sound, own) if sound else None
    if compared and price_usd is not None:
        compared = replace(compared, price=price_usd, listed=None)
    median = own.median_usd_per_gpu_h if price_usd is None else price_usd
    return MarketTerm(
        term=own.term,
        against_usd_per_gpu_h=rent,
        break_even_usd_per_gpu_h=tuple(break_even),
        market_usd_per_gpu_h=median,
        listed_usd_per_gpu_h=own.indication if median is None else None,
        spread_usd_per_gpu_h=compared.spread if compared else None,
        verdict=compared.verdict(accelerator, against) if compared else "no verdict: inconsistent data",
        data=own.evidence if price_usd is None else "your price",
        low=compared.low if compared else None,
        high=compared.high if compared else None,
    )
