"""What a GPU-hour costs under each contract that a plan compares, with its 90 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Literal

import numpy as np

from paretoken.answers.market import Market
from paretoken.errors import UnknownName
from paretoken.predict.arrays import Floats
from paretoken.prices.market.cells import MarketCell, cell_at
from paretoken.prices.market.terms import RENTED, TERMS, term_of
from paretoken.prices.owner.layers import FigureSet, operators
from paretoken.prices.owner.levelised import total
from paretoken.prices.owner.montecarlo import quantiles, simulate
from paretoken.prices.owner.price import owner_inputs

OWN, STATED = "own", "stated"
DEFAULT_CONTRACTS = ("on-demand", "1-year", "3-year", OWN)
DRAWS = 4000
"""Draws of every distribution of a plan, and of the owner's cost."""
QUARTILE = 0.6745
"""The upper quartile of a standard normal distribution."""
Z90 = 1.645
"""The 95 % quantile of a standard normal distribution: the ends of a 90 % interval."""

Billing = Literal["hourly", "always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPrice:
    """USD per GPU-hour under one contract, with the ends of its 90 % interval.

    `billing` is hourly where only the hours in use are paid, else always.
    """

    contract: str
    billing: Billing
    usd: float
    low: float
    high: float
    basis: str

    def draws(self, normal: Floats) -> Floats:
        """Prices of standard normal draws: lognormal on each side of the price."""
        spread = np.where(normal > 0, log(self.high / self.usd), log(self.usd / self.low))
        return self.usd * np.exp(normal / Z90 * spread)


def gpu_prices(
    accelerators: Sequence[str],
    contracts: Sequence[str],
    stated: Mapping[str, float],
    market: Market,
    operator: str,
    own_sets: Sequence[FigureSet] = (),
) -> dict[str, list[GpuPrice]]:
    """The prices of each accelerator in the order of the contracts; a contract without a price is left out.

    A stated price takes the place of the market's on-demand one, and is certain. UnknownName for a contract that is
    neither a rental term nor own.
    """
    contracts = list(dict.fromkeys(map(contract_named, contracts)))
    owned = _owned(accelerators, market, operator, own_sets) if OWN in contracts else {}
    prices: dict[str, list[GpuPrice]] = {}
    for name in accelerators:
        rents = [_stated(stated[name])] if name in stated else []
        terms = [c for c in contracts if c != OWN and not (name in stated and c == "on-demand")]
        rents += [p for term in terms if (p := _rented(cell_at(market.book, name, term, market.at)))]
        prices[name] = rents + ([owned[name]] if name in owned else [])
    return prices


def contract_named(text: str) -> str:
    """The contract of a name in any spelling: `own`, or a rental term, as in `On-Demand` and `12 months`."""
    name = text.strip().casefold()
    if name == OWN or name in RENTED:
        return name
    try:
        term = term_of(text)
    except UnknownName:
        term = ""
    if term not in RENTED:
        raise UnknownName("contract", text, [*RENTED, OWN])
    return term


def _stated(usd: float) -> GpuPrice:
    return GpuPrice(contract=STATED, billing="hourly", usd=usd, low=usd, high=usd, basis="the command line")


def _rented(cell: MarketCell) -> GpuPrice | None:
    """The median of the market at a term, whose interval is that of the offers."""
    usd = cell.median_usd_per_gpu_h
    if usd is None or cell.q1 is None or cell.q3 is None:
        return None
    low, high = (usd * exp(log(q / usd) * Z90 / QUARTILE) for q in (cell.q1, cell.q3))
    return GpuPrice(
        contract=cell.term,
        billing="always" if TERMS[cell.term].months else "hourly",
        usd=usd,
        low=low,
        high=high,
        basis=f"median of {cell.evidence}",
    )


def _owned(
    accelerators: Sequence[str], market: Market, operator: str, own_sets: Sequence[FigureSet]
) -> dict[str, GpuPrice]:
    """The owner's cost of the accelerators that have figures."""
    priced = {i.accelerator: i for i in owner_inputs(market.catalog, operator, None, own_sets)}
    inputs = [priced[a] for a in accelerators if a in priced]
    drawn = simulate(inputs, DRAWS, 1).usd_per_gpu_h
    prices = {}
    for i in inputs:
        usd, spread = float(total(i.values)), quantiles(drawn[i.accelerator])
        prices[i.accelerator] = GpuPrice(
            contract=OWN,
            billing="always",
            usd=usd,
            low=min(spread.p5, usd),
            high=max(spread.p95, usd),
            basis=f"owner's cost of {operators()[operator]}",
        )
    return prices
