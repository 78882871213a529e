"""Questions of money: the functions behind `tco`, `rent`, `advise`, `api` and `outlook`.

They join the frontier of one model and workload with what a GPU-hour costs an owner or on the market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from paretoken.answers import api
from paretoken.answers.study.result import BreakEven, Comparison
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import Axis, from_axis
from paretoken.prices import Tariff
from paretoken.prices.fleet import PowerLimitedFleet, fleet
from paretoken.prices.market.book import price_book
from paretoken.prices.market.cells import cell_at
from paretoken.prices.market.prices import MarketBreakEven, market_break_even
from paretoken.prices.market.quality_flags import flagged
from paretoken.prices.market.structure import levelled
from paretoken.prices.market.terms import RENTED
from paretoken.prices.owner.layers import Inputs, read_sets
from paretoken.prices.owner.price import owner_inputs, owner_tariff


@dataclass(frozen=True, slots=True)
class AgainstMarket:
    """The rent at which one accelerator equals another over latency, held against prices term by term.

    `ratio` is throughput of the accelerator over that of the other at each latency.
    """

    accelerator: str
    against: str
    axis: Axis
    latency_s: tuple[float, ...]
    ratio: tuple[float, ...]
    switching_usd_per_h: float
    terms: tuple[MarketBreakEven, ...]

    @property
    def values(self) -> list[float]:
        """The latencies in the axis' own unit."""
        return [from_axis(x, self.axis) for x in self.latency_s]


def rental_prices(
    folders: Iterable[Path | str] = (),
    *,
    shipped: bool = True,
    cost_of_capital: float = 0.0,
    catalog: Catalog | None = None,
) -> pl.DataFrame:
    """The price book with its flags: the shipped prices and those of the user's folders.

    What is paid upfront counts at the cost of capital a year.
    """
    if not 0 <= cost_of_capital <= 2:
        raise BadConfig(f"the cost of capital is {cost_of_capital:g} a year; give 0 to 2, as in 0.10 for 10 %")
    return levelled(flagged(price_book(folders, shipped=shipped), catalog or load_catalog()), cost_of_capital)


def tco(
    accelerators: Sequence[str] | None = None,
    *,
    operator: str = "neocloud",
    sets: Iterable[Path | str | Mapping[str, Any]] = (),
    catalog: Catalog | None = None,
) -> list[Inputs]:
    """The inputs of an owner's TCO; `sets` are shipped names, TOML files, or tables of figures, later ones on top."""
    catalog = catalog or load_catalog()
    return owner_inputs(catalog, operator, accelerators or None, read_sets(sets))


def fleets(answer: Comparison, mw: float, serving_load: float = 1.0) -> dict[str, PowerLimitedFleet]:
    """What fits under a power limit of each ranked accelerator whose price and power are known."""
    power = answer.tariff.kw_per_gpu
    return {
        p.candidate.accelerator: fleet(
            mw, power[p.candidate.accelerator], p.usd_per_gpu_h, p.candidate.tput_per_gpu, serving_load
        )
        for p in answer.ranking.ranked
        if p.usd_per_gpu_h and p.candidate.accelerator in power
    }


def against_rent(
    *args: Any, rent_usd: float, switching_usd: float = 0.0, hours: float = float("inf"), **asked: Any
) -> BreakEven:
    """`api.breakeven`, less a one-off switching cost per GPU spread over the hours of use."""
    per_hour = _per_hour(switching_usd, hours)
    found = api.breakeven(*args, rent_usd=rent_usd, **asked)
    return replace(found, rent_usd=tuple(r - per_hour for r in found.rent_usd))


def against_owner(
    *args: Any,
    operator: str,
    accelerator: str,
    against: str,
    sets: Iterable[Path | str | Mapping[str, Any]] = (),
    catalog: Catalog | None = None,
    **asked: Any,
) -> tuple[BreakEven, Tariff]:
    """(the break-even of one accelerator against the other's cost to its owner, the owner's tariff of both)."""
    owned = owner_tariff(tco((accelerator, against), operator=operator, sets=sets, catalog=catalog))
    catalog = catalog or load_catalog()
    rent = owned.usd_per_gpu_h[catalog.accelerators.id_of(against)]
    return against_rent(*args, rent_usd=rent, accelerator=accelerator, against=against, catalog=catalog, **asked), owned


def against_market(
    *args: Any,
    at: date,
    terms: Sequence[str] = (),
    book: pl.DataFrame | None = None,
    rent_usd: float | None = None,
    switching_usd: float = 0.0,
    hours: float = float("inf"),
    **asked: Any,
) -> AgainstMarket:
    """The break-even rent of one accelerator against another's market rent, at every term or those named.

    Where `rent_usd` is given it stands for the other's rent at every term.
    """
    book = rental_prices(catalog=asked.get("catalog")) if book is None else book
    per_hour = _per_hour(switching_usd, hours)
    unit = api.breakeven(*args, rent_usd=1.0 if rent_usd is None else rent_usd, **asked)
    ratio = np.array(unit.rent_usd) / unit.rent_against_usd
    held_terms = []
    for term in terms or RENTED:
        of_a, of_b = (cell_at(book, name, term, at) for name in (unit.against, unit.accelerator))
        reference = of_a.median_usd_per_gpu_h if rent_usd is None else rent_usd
        if reference is not None and (rent_usd is None or of_b.offers or term in (terms or ("on-demand",))):
            held_terms.append(market_break_even(term, reference, reference * ratio - per_hour, of_b))
    if not held_terms:
        raise NoData(
            f"{unit.against} has no market price at {', '.join(terms or RENTED)} within 180 days before {at}; "
            "give --rent, another --term, or import prices"
        )
    return AgainstMarket(
        unit.accelerator, unit.against, unit.axis, unit.latency_s, tuple(map(float, ratio)), per_hour, tuple(held_terms)
    )


def against_market_json(found: AgainstMarket) -> dict[str, Any]:
    """As plain values, the break-even curve of every term in it."""
    return {
        "accelerator": found.accelerator,
        "against": found.against,
        "axis": found.axis,
        "values": found.values,
        "terms": [
            {
                "term": h.term,
                "against_usd_per_gpu_h": h.against_usd,
                "break_even_usd_per_gpu_h": [h.against_usd * r - found.switching_usd_per_h for r in found.ratio],
                "market_usd_per_gpu_h": h.price,
                "listed_usd_per_gpu_h": h.listed,
                "spread_usd_per_gpu_h": h.spread,
                "verdict": h.verdict(found.accelerator, found.against),
                "data": h.evidence,
            }
            for h in found.terms
        ],
    }


def _per_hour(switching_usd: float, hours: float) -> float:
    if not switching_usd >= 0 or not hours > 0:
        raise BadConfig(
            f"a switching cost of {switching_usd:g} USD over {hours:g} h; give 0 USD or more over hours above 0"
        )
    return switching_usd / hours
