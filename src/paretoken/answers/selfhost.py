"""Self-hosting a model against API list prices: the load from which it is cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.answers.bounds import asks_both, best_known, includes_plain, plain
from paretoken.answers.latency import LatencyQuestion, nothing_within, selection
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.own_cache import OwnCache
from paretoken.answers.own_options import cheapest_at_full_load, cheapest_of_day, own_options
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate, rank
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.loader import Catalog
from paretoken.day_curve import FLAT, HOURS, checked_day_curve, in_utc
from paretoken.errors import BadConfig, NoData
from paretoken.frontier import verdict_at
from paretoken.frontier.consistency import is_stale
from paretoken.points.selection import Axis, Serving, Speculative
from paretoken.prices.api_price import ApiPrice, own_price
from paretoken.prices.api_table import api_prices
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.self_host import (
    ApiUse,
    OwnDay,
    OwnDeployment,
    OwnOrApi,
    SelfHost,
    cheapest_by_provider,
    cheapest_first,
    own_or_api,
    self_host,
)
from paretoken.prices.tariff import Tariff, at_one_rent, tariff, with_prices


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfhostAnswer(TypedAnswer):
    """The cheapest self-hosted candidate, its price, and the comparison with every API price of the model.

    `candidate` has the cheapest tokens at full load as run, among all accelerators and engines with a price. For any
    serving, that includes plain serving. `against_as_run` compares the run that it recommends, which is also the
    smallest deployment. `against` compares the same at the throughput interpolated at the limit. `cache` is the effect
    of the task's cache hits on throughput; `against` includes it, the candidate's own figures do not.
    `fixed_usd_per_day` is the cost of the smallest deployment at any load. `unmet` says why there is no candidate.

    `day` is the user's volume on `day_candidate`, the cheapest for it as run, with as many deployments as the busiest
    hour needs. `day_cache` is the effect of cache hits on that candidate. `decision` compares figures as run.

    `cheapest_of` has the best of every accelerator by rising cost interpolated at the limit. `confidence`, `fragile`,
    `data_end`, `withheld`, `acceptance` and `days_apart` say how firm that order is, as in `frontier.verdict.Verdict`.
    `price_doubts` says by accelerator why its price is not firm. `best_known` is the same answer for any serving,
    where the question leaves the serving at plain.
    """

    TABLE: ClassVar[str] = "against"
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
    price_doubts: Mapping[str, str] = field(default_factory=dict)
    against: tuple[SelfHost, ...] = ()
    against_as_run: tuple[SelfHost, ...] = ()
    cache: OwnCache | None = None
    fixed_usd_per_day: float | None = None
    day: OwnDay | None = None
    day_candidate: PricedCandidate | None = None
    day_cache: OwnCache | None = None
    decision: OwnOrApi | None = None
    unmet: str | None = None
    best_known: SelfhostAnswer | None = None

    @property
    def stale(self) -> bool:
        """Whether the software of the cheapest two is more than 90 days apart."""
        return is_stale(self.days_apart)


@takes(SelfhostQuestion)
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
    ranking = rank(candidates, price)
    ranked = tuple(c for c in ranking.candidates if c.usd_per_mtok_total is not None)
    answer = SelfhostAnswer(
        axis=limit.axis,
        value=limit.value,
        limits=limit.text,
        serving=question.serving,
        speculative=question.speculative,
        price=price.name,
        price_source=price.source,
        price_doubts={c.accelerator: doubt for c in ranked if (doubt := price.doubt(c.accelerator))},
    )
    weight, curves = price.tokens_per_usd_weight, data.curves(chosen, limit.axis)
    verdict = verdict_at(curves, limit.latency_s, weight, data.hardware_order)
    if not ranked or verdict is None:
        names = ", ".join(dict.fromkeys(c.accelerator for c in candidates))
        priceless = f"none of {names} has a price under {price.name}; name another"
        return replace(answer, unmet=priceless if names else nothing_within(limit, chosen, data))
    use = question.use(data.catalog)
    tokens = question.volume(use)
    options = own_options(
        (*_plain_candidates(question, data, price), *ranked, *ranking.other_engines),
        data,
        chosen,
        limit.axis,
        cached_share=question.own_share(),
        use=use,
        tokens_per_day=tokens,
    )
    best = cheapest_at_full_load(options)
    of_day = None if tokens is None else cheapest_of_day(options)
    against, against_as_run = (_against(question, d, offers, use, tokens) for d in (best.at_limit, best.as_run))
    return replace(
        answer,
        candidate=best.candidate,
        cheapest_of=ranked,
        confidence=verdict.confidence,
        fragile=verdict.fragile,
        data_end=verdict.data_end,
        withheld=verdict.withheld,
        acceptance=verdict.acceptance,
        days_apart=verdict.days_apart,
        against=against,
        against_as_run=against_as_run,
        cache=best.cache,
        fixed_usd_per_day=best.as_run.gpus * best.as_run.usd_per_gpu_h * HOURS,
        day=of_day.day if of_day else None,
        day_candidate=of_day.candidate if of_day else None,
        day_cache=of_day.cache if of_day else None,
        decision=own_or_api(_live(best.as_run, offers, use, tokens), of_day.day if of_day else None),
    )


def _plain_candidates(question: SelfhostQuestion, data: Data, price: Tariff) -> tuple[PricedCandidate, ...]:
    """Plain serving for a question that takes more: a better run may hide it on the curve of its accelerator."""
    if not includes_plain(question):
        return ()
    limit, chosen = question.limit(), selection(plain(question), data)
    ranking = rank(data.candidates(chosen, limit.axis, limit.latency_s), price)
    return (*ranking.candidates, *ranking.other_engines)


def _live(
    deployment: OwnDeployment, offers: Iterable[ApiPrice], use: ApiUse, tokens_per_day: float | None
) -> list[SelfHost]:
    """A deployment against every offer as the task is billed."""
    return [self_host(offer, deployment, use, tokens_per_day=tokens_per_day) for offer in offers]


def _against(
    question: SelfhostQuestion,
    deployment: OwnDeployment,
    offers: Sequence[ApiPrice],
    use: ApiUse,
    tokens_per_day: float | None,
) -> tuple[SelfHost, ...]:
    """The cheapest offer of each provider; every one, and each of its tiers alone, if the question asks for tiers."""
    live = _live(deployment, offers, use, tokens_per_day)
    if not question.tiers:
        return tuple(cheapest_by_provider(live))
    alone = (
        self_host(price, deployment, use, tier=f"all {name}", tokens_per_day=tokens_per_day)
        for offer in offers
        if len(tiers := offer.by_tier()) > 1
        for name, price in tiers.items()
    )
    return tuple(cheapest_first([*live, *alone]))


def _stated_price(question: SelfhostQuestion) -> ApiPrice | None:
    """The API price that the question states; None if it states none."""
    if question.input_price is None and question.output_price is None:
        return None
    if question.input_price is None or question.output_price is None:
        raise BadConfig("an API price has two sides; give both --input-price and --output-price")
    return own_price(question.model, question.input_price, question.output_price, question.cached_price)


def _offers(question: SelfhostQuestion, data: Data) -> list[ApiPrice]:
    """The shipped API prices of the model on the day of the question, or those of the user's file."""
    model = data.catalog.models.find(question.model) or question.model
    offers = [p for p in api_prices(question.api_prices, question.at) if p.model in (model, question.model)]
    if not offers:
        later = any(p.model in (model, question.model) for p in api_prices(question.api_prices))
        day = f" that holds on {question.at}" if later else ""
        raise NoData(f"no API price for {model}{day}; give --input-price and --output-price, or --api-prices FILE")
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
