"""What questions about a site share: its power, the carbon of its grid, and the price of its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from paretoken.answers.priced import Site
from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData, ParetokenError
from paretoken.prices.api_table import api_prices
from paretoken.prices.earnings import OwnerCapital, owner_capital
from paretoken.prices.fleet import operator_of, utility_power
from paretoken.prices.owner.price import owner_inputs
from paretoken.prices.tariff import Tariff

API = "api"


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """The price at which a million tokens of a workload sell, USD, and whose price it is."""

    usd_per_mtok: float
    source: str


@dataclass(frozen=True, kw_only=True)
class SiteQuestion(Question):
    """What does a site serve under a power limit, and earn? All figures of power are at the utility's meter."""

    mw: Annotated[float | None, Field(description="Power limit of a fleet at the utility's meter, MW")] = None
    grid_gco2_per_kwh: Annotated[float | None, Field(description="Carbon of the grid, g CO2 per kWh")] = None
    token_price: Annotated[
        float | Literal["api"] | None,
        Field(description="What tokens sell for, USD per million; api: the cheapest list price of the model"),
    ] = None

    def check(self) -> None:
        """BadConfig for figures of a site that cannot be."""
        grid, price = self.grid_gco2_per_kwh, self.token_price
        if self.mw is not None and not 0 < self.mw < inf:
            raise BadConfig(f"the power limit is {self.mw:g} MW; it must be above 0")
        if grid is not None and not 0 <= grid < inf:
            raise BadConfig(f"the grid's carbon is {grid:g} g CO2 per kWh; it must be 0 or more")
        if isinstance(price, float | int) and not 0 < price < inf:
            raise BadConfig(f"the price of tokens is {price:g} USD per million; it must be above 0")

    def sold_at(self, catalog: Catalog, model: str, isl: int, osl: int) -> TokenPrice | None:
        """The price of the workload's mix of tokens; None if the question states none, NoData if no API has one."""
        if self.token_price is None:
            return None
        if self.token_price != API:
            return TokenPrice(float(self.token_price), "stated")
        key = catalog.models.find(model) or model
        offers = [offer for offer in api_prices() if offer.model == key]
        if not offers:
            raise NoData(f"no API price for {key}; give --token-price in USD per million tokens")
        cheapest = min(offers, key=lambda offer: offer.usd_per_mtok(isl, osl))
        source = f"cheapest API, {cheapest.name} of {cheapest.provider}, {isl} input and {osl} output tokens"
        return TokenPrice(cheapest.usd_per_mtok(isl, osl), source)


def site_of(
    question: SiteQuestion, prices: Tariff, sold_at: TokenPrice | None, catalog: Catalog, accelerators: Iterable[str]
) -> Site:
    """The site of a question under a tariff: the power of its operator, and the capital of that owner."""
    capital = {name: c for name in accelerators if (c := _capital(catalog, prices, name))} if sold_at else {}
    return Site(
        kw_per_gpu=utility_power(prices).kw_per_gpu,
        grid_gco2_per_kwh=question.grid_gco2_per_kwh,
        token_price_usd_per_mtok=sold_at.usd_per_mtok if sold_at else None,
        capital=capital,
    )


def _capital(catalog: Catalog, prices: Tariff, accelerator: str) -> OwnerCapital | None:
    """None for an accelerator without figures of an owner."""
    try:
        return owner_capital(owner_inputs(catalog, operator_of(prices), (accelerator,))[0])
    except ParetokenError:
        return None
