"""Self-hosting a model against API list prices: the load from which it is cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.bounds import asks_both, best_known
from paretoken.answers.latency import LatencyQuestion, nothing_within, selection
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate, rank
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import verdict_at
from paretoken.frontier.consistency import is_stale
from paretoken.points.selection import Axis, Serving, Speculative
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
from paretoken.prices.tariff import Tariff, at_one_rent, tariff, with_prices


@dataclass(frozen=True, kw_only=True)
class SelfhostQuestion(LatencyQuestion, MarketQuestion, PricesQuestion):
    """Compare self-hosting within latency limits with API prices.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfhostAnswer:
    """The cheapest self-hosted candidate, its price, and the comparison with every API price of the model.

    `candidate` is the first of `cheapest_of`, the best of every accelerator with a price by rising cost of tokens;
    its cost is interpolated at the limit, and so is that of `against`. `against_as_run` compares the run that it
    recommends, which is also the smallest deployment. `confidence`, `fragile`, `data_end`, `withheld`,
    `acceptance` and `days_apart` say how firm the choice of the candidate is, as in `frontier.verdict.Verdict`.
    `unmet` says why there is no candidate.
    `best_known` is the same of any serving, where the question leaves the serving at plain.
    """

    axis: Axis
    value: float | None
    limits: str
    serving: Serving
    speculative: Speculative
    candidate: PricedCandidate | None = None
    cheapest_of: tuple[PricedCandidate, ...] = ()
    confidence: str | None = None
    fragile: str | None = None
    data_end: str | None = None
    withheld: str | None = None
    acceptance: str | None = None
    days_apart: int | None = None
    price: str
    price_source: str
    against: tuple[SelfHost, ...] = ()
    against_as_run: tuple[SelfHost, ...] = ()
    unmet: str | None = None
    best_known: SelfhostAnswer | None = None

    @property
    def stale(self) -> bool:
        """Whether the software of the cheapest two is more than 90 days apart."""
        return is_stale(self.days_apart)


def selfhost(question: SelfhostQuestion, data: Data | None = None, market: Market | None = None) -> SelfhostAnswer:
    """The cheapest self-hosted candidate against every API price of the model; NoData if nothing can be self-hosted."""
    stated = _stated_price(question)
    data = data or Data.of(question)
    own = question.own_prices(data.catalog, data.accelerators)
    price = with_prices(_gpu_price(question, data, market), own)
    offers = [stated] if stated else _offers(question, data)
    answer = _of_serving(question, data, price, offers)
    if asks_both(question):
        answer = replace(answer, best_known=_of_serving(best_known(question), data, price, offers))
    of_any = answer.best_known or answer
    if answer.unmet and of_any.unmet:
        raise NoData(of_any.unmet)
    return answer


def _of_serving(question: SelfhostQuestion, data: Data, price: Tariff, offers: Sequence[ApiPrice]) -> SelfhostAnswer:
    """The answer of the question's own serving; without a candidate if none meets the limits or has a price."""
    limit, chosen = question.limit(), selection(question, data)
    candidates = data.candidates(chosen, limit.axis, limit.latency_s)
    ranked = tuple(c for c in rank(candidates, price).candidates if c.usd_per_mtok_total is not None)
    answer = SelfhostAnswer(
        axis=limit.axis,
        value=limit.value,
        limits=limit.text,
        serving=question.serving,
        speculative=question.speculative,
        price=price.name,
        price_source=price.source,
    )
    weight, curves = price.tokens_per_usd_weight, data.curves(chosen, limit.axis)
    verdict = verdict_at(curves, limit.latency_s, weight, data.hardware_order)
    if not ranked or verdict is None:
        names = ", ".join(dict.fromkeys(c.accelerator for c in candidates))
        priceless = f"none of {names} has a price under {price.name}; name another"
        return replace(answer, unmet=priceless if names else nothing_within(limit, chosen, data))
    best, run = ranked[0], ranked[0].recommended
    return replace(
        answer,
        candidate=best,
        cheapest_of=ranked,
        confidence=verdict.confidence,
        fragile=verdict.fragile,
        data_end=verdict.data_end,
        withheld=verdict.withheld,
        acceptance=verdict.acceptance,
        days_apart=verdict.days_apart,
        against=_against(question, data, best, best.tput_per_gpu, offers),
        against_as_run=_against(question, data, best, run["tput_per_gpu"], offers),
    )


def _against(
    question: SelfhostQuestion, data: Data, best: PricedCandidate, tok_s_per_gpu: float, offers: Iterable[ApiPrice]
) -> tuple[SelfHost, ...]:
    """A candidate against every offer, on the GPUs of its recommended run, at one throughput."""
    isl, osl = question.lengths(data.catalog)
    deployment = OwnDeployment(best.recommended["n_gpus"] or 1, best.usd_per_gpu_h or 0.0, tok_s_per_gpu)
    return tuple(cheapest_first(self_host(offer, deployment, isl, osl, question.cached_share) for offer in offers))


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
