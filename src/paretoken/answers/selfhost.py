"""Self-hosting a model against API list prices: the load from which it is cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from paretoken.answers.bounds import asks_both, best_known, includes_plain, plain
from paretoken.answers.firmness import firmness
from paretoken.answers.latency import nothing_within, selection
from paretoken.answers.market import Market
from paretoken.answers.own_cache import OwnCache
from paretoken.answers.own_options import cheapest_at_full_load, cheapest_of_day, own_options
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate, rank
from paretoken.answers.selfhost_question import SelfhostQuestion, api_offers, gpu_price
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.day_curve import HOURS
from paretoken.errors import NoData
from paretoken.frontier import verdict_at
from paretoken.frontier.consistency import is_stale
from paretoken.points.selection import Axis, Serving, Speculative
from paretoken.prices.api_price import ApiPrice
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
from paretoken.prices.tariff import Tariff, with_prices


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
    data = data or Data.of(question)
    own = question.own_prices(data.catalog, data.accelerators)
    price = with_prices(gpu_price(question, data, market), own)
    offers = api_offers(question, data)
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
    verdict = verdict_at(
        data.curves(chosen, limit.axis), limit.latency_s, price.tokens_per_usd_weight, data.hardware_order
    )
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
    if not ranked or verdict is None:
        names = ", ".join(dict.fromkeys(c.accelerator for c in candidates))
        priceless = f"none of {names} has a price under {price.name}; name another"
        return replace(answer, unmet=priceless if names else nothing_within(limit, chosen, data))
    answer = replace(
        answer,
        cheapest_of=ranked,
        **firmness(verdict),
    )
    self_hosted = (*_plain_candidates(question, data, price), *ranked, *ranking.other_engines)
    return _against_offers(answer, question, data, self_hosted, offers)


def _against_offers(
    answer: SelfhostAnswer,
    question: SelfhostQuestion,
    data: Data,
    candidates: Sequence[PricedCandidate],
    offers: Sequence[ApiPrice],
) -> SelfhostAnswer:
    """The answer with the cheapest of the candidates, at full load and for a day, against every offer."""
    use = question.use(data.catalog)
    tokens = question.volume(use)
    options = own_options(
        candidates,
        data,
        selection(question, data),
        answer.axis,
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
