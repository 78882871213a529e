"""Own, reserve or rent by the hour: the contracts of each accelerator, and where the choice between them turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from paretoken.answers.market import Market
from paretoken.answers.seam import Question
from paretoken.errors import BadConfig
from paretoken.prices.contracts import ON_DEMAND, OWN, Contract, ContractChoice, compare_contracts
from paretoken.prices.market.cells import WINDOW_DAYS, cell_at, checked_term
from paretoken.prices.market.decline import rent_decline_per_year
from paretoken.prices.market.structure import SameSellers, same_sellers, term_rents
from paretoken.prices.market.terms import COMMITTED, TERMS
from paretoken.prices.own_or_rent import OwnOrRent, own_or_rent
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import total


@dataclass(frozen=True, kw_only=True)
class OwnOrRentTerms(Question):
    """Own, reserve or rent a GPU that is needed in a share of the hours, at the market's prices or at stated ones."""

    needed_share: Annotated[float, Field(description="Share of hours in which it is needed")] = 1.0
    rent_usd: Annotated[
        float | None, Field(description="On-demand rent, USD per GPU-hour; by default the market's")
    ] = None
    reserved_usd: Annotated[
        Mapping[str, float], Field(description="USD per GPU-hour by committed term, in place of the market's")
    ] = field(default_factory=dict)
    price_decline: Annotated[
        float | None, Field(description="Fall of rents a year, 0.20 for 20 %; by default from the price history")
    ] = None
    months: Annotated[int | None, Field(description="Horizon; by default the owner's life")] = None
    estimate_terms: Annotated[
        bool, Field(description="Estimate committed terms without a price from other accelerators' ratios")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrRentRow:
    """The contracts of one accelerator.

    `basis` says by contract where its price is from, `without_price` by term why there is none, and `turns_against` by
    committed term of the market which sellers' on-demand prices its turning point is against. `own_or_rent` compares
    owning with hourly on-demand: payback and internal rate of return over the owner's life, whatever the horizon, and
    after income tax; None without an on-demand price. `contracts` is None where only owning has a price.
    """

    accelerator: str
    contracts: ContractChoice | None
    own_or_rent: OwnOrRent | None
    price_decline_basis: str
    basis: Mapping[str, str]
    turns_against: Mapping[str, SameSellers]
    without_price: Mapping[str, str]


def own_or_rent_rows(
    terms: OwnOrRentTerms, all_inputs: Sequence[Inputs], market: Market, own_prices: Mapping[str, float]
) -> tuple[OwnOrRentRow, ...]:
    """One row for each accelerator; its price of `own_prices` takes the place of the on-demand rent."""
    for term in terms.reserved_usd:
        if not TERMS[checked_term(term)].months:
            raise BadConfig(f"--reserved {term} commits to no hours; name one of {', '.join(COMMITTED)}")
    rents = {i.accelerator: own_prices.get(i.accelerator, terms.rent_usd) for i in all_inputs}
    return tuple(_row(replace(terms, rent_usd=rents[i.accelerator]), i, market) for i in all_inputs)


def _row(terms: OwnOrRentTerms, inputs: Inputs, market: Market) -> OwnOrRentRow:
    rents = _rents(terms, inputs.accelerator, market)
    decline, decline_basis = _decline(terms, inputs.accelerator, market)
    renting = [
        Contract(name=t, usd_per_gpu_h=usd, term_months=round(TERMS[t].months), price_decline_per_year=decline)
        for t, (usd, _) in rents.items()
    ]
    values = {**inputs.values, "sold_share": 1.0}
    life = round(values["life_months"])
    own = Contract(name=OWN, usd_per_gpu_h=float(total(values)), term_months=life)
    months = life if terms.months is None else terms.months
    sellers = _same_sellers(terms, rents, inputs.accelerator, market)
    ratios = {term: s.ratio for term, s in sellers.items()}
    rate = values["cost_of_capital_per_year"]
    choice = compare_contracts([*renting, own], terms.needed_share, months, rate, ratios)
    hourly = next((c for c in renting if c.term_months == 0), None)
    return OwnOrRentRow(
        accelerator=inputs.accelerator,
        contracts=choice if renting else None,
        own_or_rent=_against_hourly(inputs, hourly, life, terms.needed_share) if hourly else None,
        price_decline_basis=decline_basis,
        basis={t: basis for t, (_, basis) in rents.items()} | {OWN: _own_basis(choice, life, values["tax_rate"])},
        turns_against=sellers,
        without_price=_without_price(rents, inputs.accelerator, market),
    )


def _rents(terms: OwnOrRentTerms, accelerator: str, market: Market) -> dict[str, tuple[float, str]]:
    """(price, its basis) of on-demand and of every committed term that has one, stated prices first."""
    rents: dict[str, tuple[float, str]]
    if terms.rent_usd is None:
        rents = term_rents(market.book, accelerator, market.at, estimate=terms.estimate_terms)
    else:
        rents = {ON_DEMAND: (terms.rent_usd, "the stated rent")}
    return rents | {t: (usd, "the stated price") for t, usd in terms.reserved_usd.items()}


def _same_sellers(
    terms: OwnOrRentTerms, rents: Mapping[str, object], accelerator: str, market: Market
) -> dict[str, SameSellers]:
    """What each committed term with a median of the market is compared with."""
    if terms.rent_usd is not None or ON_DEMAND not in rents:
        return {}
    medians = term_rents(market.book, accelerator, market.at)
    return {
        t: same_sellers(market.book, accelerator, t, market.at)
        for t in medians
        if t != ON_DEMAND and t not in terms.reserved_usd
    }


def _decline(terms: OwnOrRentTerms, accelerator: str, market: Market) -> tuple[float, str]:
    """(fall of rents a year, its basis)."""
    if terms.price_decline is not None:
        return terms.price_decline, f"rents fall {terms.price_decline:.0%} a year, as stated"
    change = rent_decline_per_year(market.book, accelerator, market.at)
    if change.per_year is None:
        return 0.0, f"rents stay level: {change.reason}; --price-decline states a fall"
    if change.per_year > 0:
        return 0.0, f"rents stay level, because a past rise is not projected: {change.text}"
    return -change.per_year, f"rents keep falling at the past rate: {change.text}"


def _own_basis(choice: ContractChoice, life: int, tax_rate: float) -> str:
    """What the owner's price is, and what of it lies beyond the horizon or the first life."""
    billed = next(c.committed_months for c in choice.costs if c.contract.name == OWN)
    text = f"levelised cost of the owner over {life} months"
    if tax_rate:
        text += f", with {tax_rate:.0%} income tax; present values are of prices before the payer's own tax"
    if choice.months < life:
        text += f"; all {life} months are billed, though {choice.months} are needed: no earlier resale is counted"
    elif billed > life:
        text += f"; bought again every {life} months at today's capital cost: a fall of rents does not lower it"
    return text


def _against_hourly(inputs: Inputs, hourly: Contract, life: int, needed_share: float) -> OwnOrRent:
    """Owning against the hourly rents of every month of the owner's life."""
    return own_or_rent(inputs, np.array([hourly.price_at(month) for month in range(life)]), needed_share)


def _without_price(rents: Mapping[str, object], accelerator: str, market: Market) -> dict[str, str]:
    """Why a term has no price."""
    cells = {t: cell_at(market.book, accelerator, t, market.at) for t in (ON_DEMAND, *COMMITTED) if t not in rents}
    none = f"no offer within {WINDOW_DAYS} days before {market.at}"
    return {t: f"too few providers for a median: {c.evidence}" if c.offers else none for t, c in cells.items()}
