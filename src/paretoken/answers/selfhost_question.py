"""The question of self-hosting, and the prices that it names: of a GPU-hour, and of an API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.latency import LatencyQuestion
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.catalog.loader import Catalog
from paretoken.day_curve import FLAT, checked_day_curve, in_utc
from paretoken.errors import BadConfig, NoData
from paretoken.prices.api_price import ApiPrice, own_price
from paretoken.prices.api_table import api_prices
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.self_host import (
    ApiUse,
)
from paretoken.prices.tariff import Tariff, at_one_rent, tariff


@dataclass(frozen=True, kw_only=True)
class SelfhostQuestion(LatencyQuestion, MarketQuestion, PricesQuestion):
    """Compare self-hosting within latency limits with API prices.

    The price of a GPU-hour is `rent_usd`, the market's rent at `term`, or a tier of a TCO set. Without any of them it
    is the market's on-demand rent. API prices are the shipped ones, those of a file, or the two stated prices.
    """

    tco: Annotated[str | None, Field(description="TCO set; the newest if only the tier is given")] = None
    tier: Annotated[str | None, Field(description="Tier of the TCO set; by default its first")] = None
    term: Annotated[str | None, Field(description="Rental term of the market")] = None
    rent_usd: Annotated[float | None, Field(description="One rent for every accelerator, USD per GPU-hour")] = None
    api_prices: Annotated[Path | None, Field(description="CSV of your own API list prices")] = None
    input_price: Annotated[float | None, Field(description="USD per million input tokens")] = None
    output_price: Annotated[float | None, Field(description="USD per million output tokens")] = None
    cached_price: Annotated[float | None, Field(description="USD per million cached input tokens")] = None
    tiers: Annotated[bool, Field(description="Every name and tier, not only the cheapest name of each provider")] = (
        False
    )
    cached_share: Annotated[float, Field(description="Share of the task's input that a cache holds")] = 0.0
    own_cached_share: Annotated[float | None, Field(description="That share on your own side, if it differs")] = None
    cache_write_share: Annotated[float, Field(description="Share of the input billed as cache writes")] = 0.0
    batch_share: Annotated[
        float, Field(description="Share of the tokens that can wait, for an API's batch tier or off-peak hours")
    ] = 0.0
    load_curve: Annotated[tuple[float, ...], Field(description="Load of the 24 hours from 0:00")] = FLAT
    utc_offset: Annotated[int, Field(description="Hours that the clock of the load curve is ahead of UTC")] = 0
    tokens_per_day: Annotated[float | None, Field(description="Your volume, input and output tokens a day")] = None
    requests_per_day: Annotated[float | None, Field(description="Your volume, requests a day")] = None

    def use(self, catalog: Catalog) -> ApiUse:
        """The task as an API bills it."""
        isl, osl = self.lengths(catalog)
        return ApiUse(
            isl=isl,
            osl=osl,
            cached_share=self.cached_share,
            cache_write_share=self.cache_write_share,
            batch_share=self.batch_share,
            day=in_utc(checked_day_curve(self.load_curve), self.utc_offset),
        )

    def own_share(self) -> float:
        """The share of the input that one's own cache holds."""
        share = self.cached_share if self.own_cached_share is None else self.own_cached_share
        if not 0 <= share <= 1:
            raise BadConfig(f"the cached share on your own side is {share:g}; it must be between 0 and 1")
        return share

    def volume(self, use: ApiUse) -> float | None:
        """Tokens a day; None if no volume is stated."""
        if self.tokens_per_day is not None and self.requests_per_day is not None:
            raise BadConfig("give your volume once: --tokens-per-day or --requests-per-day")
        requests = self.requests_per_day
        return self.tokens_per_day if requests is None else requests * (use.isl + use.osl)


def api_offers(question: SelfhostQuestion, data: Data) -> list[ApiPrice]:
    """The API price that the question states, else the list prices of the model; NoData if there is none."""
    stated = _stated_price(question)
    return [stated] if stated else _listed_offers(question, data)


def _stated_price(question: SelfhostQuestion) -> ApiPrice | None:
    """The API price that the question states; None if it states none."""
    if question.input_price is None and question.output_price is None:
        return None
    if question.input_price is None or question.output_price is None:
        raise BadConfig("an API price has two sides; give both --input-price and --output-price")
    return own_price(question.model, question.input_price, question.output_price, question.cached_price)


def _listed_offers(question: SelfhostQuestion, data: Data) -> list[ApiPrice]:
    """The shipped API prices of the model on the day of the question, or those of the user's file."""
    model = data.catalog.models.find(question.model) or question.model
    offers = [p for p in api_prices(question.api_prices, question.at) if p.model in (model, question.model)]
    if not offers:
        later = any(p.model in (model, question.model) for p in api_prices(question.api_prices))
        day = f" that holds on {question.at}" if later else ""
        raise NoData(f"no API price for {model}{day}; give --input-price and --output-price, or --api-prices FILE")
    return offers


def gpu_price(question: SelfhostQuestion, data: Data, market: Market | None) -> Tariff:
    """The price of a GPU-hour: one stated rent, the market's at a term, or a tier of a price set."""
    of_set = question.tco is not None or question.tier is not None
    if sum((of_set, question.term is not None, question.rent_usd is not None)) > 1:
        raise BadConfig("give one price of a GPU-hour: --rent, --term, or --tco and --tier")
    if of_set:
        return tariff(data.catalog, question.tco, question.tier)
    if question.rent_usd is not None:
        return at_one_rent(data.catalog, question.rent_usd)
    market = market or Market.of(question, data.catalog)
    term = question.term or "on-demand"
    return market_tariff(market.book, term, market.at, data.catalog.accelerators.entries)[0]
