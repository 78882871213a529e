"""Self-hosting a model against API list prices: the load from which it is cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.latency import LatencyQuestion, candidates_at
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.points import Data
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import Candidate, best_per_accelerator
from paretoken.prices.api_price import (
    ApiPrice,
    OwnDeployment,
    SelfHost,
    api_prices,
    cheapest_first,
    own_price,
    self_host,
)
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.tariff import Tariff, at_one_rent, tariff


@dataclass(frozen=True, kw_only=True)
class SelfhostQuestion(LatencyQuestion, MarketQuestion):
    """Compare self-hosting at one latency with API prices.

    A GPU-hour costs `rent_usd`, or the market's rent at `term`, or a tier of a TCO set; the market's
    on-demand rent if none is given. An API price is the shipped ones, a file, or the two stated prices.
    """

    tco: Annotated[str | None, Field(description="TCO set; the newest if only the tier is given")] = None
    tier: Annotated[str | None, Field(description="Tier of the TCO set; its first if None")] = None
    term: Annotated[str | None, Field(description="Rental term of the market")] = None
    rent_usd: Annotated[float | None, Field(description="One rent for every accelerator, USD per GPU-hour")] = None
    api_prices: Annotated[Path | None, Field(description="CSV of your own API list prices")] = None
    input_price: Annotated[float | None, Field(description="USD per million input tokens")] = None
    output_price: Annotated[float | None, Field(description="USD per million output tokens")] = None
    cached_price: Annotated[float | None, Field(description="USD per million cached input tokens")] = None
    cached_share: Annotated[float, Field(description="Share of the input that the API reads from cache")] = 0.0


@dataclass(frozen=True, slots=True)
class SelfhostAnswer:
    """The cheapest self-hosted candidate, its price, and the comparison with every API price of the model."""

    candidate: Candidate
    usd_per_gpu_h: float
    price: str
    price_source: str
    against: tuple[SelfHost, ...]


def selfhost(question: SelfhostQuestion, data: Data | None = None, market: Market | None = None) -> SelfhostAnswer:
    """The cheapest self-hosted candidate against every API price of the model.

    The smallest deployment is the one that the points around the latency were measured on.
    """
    stated = _stated_price(question)
    data = data or Data.of(question)
    price = _gpu_price(question, data, market)
    candidates, _ = best_per_accelerator(candidates_at(question, data))
    priced = [c for c in candidates if c.accelerator in price.usd_per_gpu_h]
    if not priced:
        names = ", ".join(c.accelerator for c in candidates)
        raise NoData(f"none of {names} has a price under {price.name}; name another")
    best = min(priced, key=lambda c: price.usd_per_gpu_h[c.accelerator] / c.tput_per_gpu)
    usd = price.usd_per_gpu_h[best.accelerator]
    isl, osl = question.lengths(data.catalog)
    deployment = OwnDeployment(max((r["n_gpus"] or 1) for r in best.around), usd, best.tput_per_gpu)
    offers = [stated] if stated else _offers(question, data)
    comparisons = [self_host(offer, deployment, isl, osl, question.cached_share) for offer in offers]
    return SelfhostAnswer(best, usd, price.name, price.source, tuple(cheapest_first(comparisons)))


def _stated_price(question: SelfhostQuestion) -> ApiPrice | None:
    """The API price that the question states; None if it states none."""
    if question.input_price is None and question.output_price is None:
        return None
    if question.input_price is None or question.output_price is None:
        raise BadConfig("an API price has two sides; give both --input-price and --output-price")
    return own_price(question.model, question.input_price, question.output_price, question.cached_price)


def _offers(question: SelfhostQuestion, data: Data) -> list[ApiPrice]:
    """The shipped API prices of the model, or those of the user's file."""
    registry = data.catalog.models
    model = registry.id_of(question.model) if question.model in registry else question.model
    offers = [p for p in api_prices(question.api_prices) if p.model in (model, question.model)]
    if not offers:
        raise NoData(f"no API price for {model}; give --input-price and --output-price, or --api-prices FILE")
    return offers


def _gpu_price(question: SelfhostQuestion, data: Data, market: Market | None) -> Tariff:
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
