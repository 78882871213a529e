"""Self-hosting against APIs in sentences: what was chosen and why, and what decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paretoken.answers.currency import IN_USD, Currency
from paretoken.answers.doubts import doubts
from paretoken.answers.own_cache import OwnCache
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.selfhost import SelfhostAnswer
from paretoken.frontier.compare import size_title
from paretoken.plural import counted, quantity
from paretoken.prices.api_price import ApiPrice
from paretoken.prices.self_host import ROUNDING, OwnOrApi, SelfHost
from paretoken.significant import significant

PLAIN, BEST_KNOWN = "plain", "best known"


def deciders(answer: SelfhostAnswer) -> tuple[PricedCandidate | None, ...]:
    """What decides the break-even load, and what decides at the stated volume."""
    return answer.candidate, answer.day_candidate


def candidate_words(answer: SelfhostAnswer, money: Currency = IN_USD) -> Iterator[str]:
    """What was chosen, why, and what its tokens cost at full load."""
    c = answer.candidate
    if c is None or c.usd_per_gpu_h is None:
        yield answer.unmet or "no candidate"
        return
    release = "" if c.origin == "predicted" else f" {c.software}"
    gpus = answer.against[0].gpus
    yield (
        f"{_run(c, release)}, on {counted(gpus, 'GPU')} at {money.amount(c.usd_per_gpu_h)} per GPU-hour "
        f"({answer.price}): "
        f"{_amount(money, c.usd_per_mtok_recommended)} per million tokens at full load as run"
        + (f", {_number(money, c.usd_per_mtok_total)} interpolated at the limit" if c.interpolated else "")
    )
    costs = ", ".join(
        f"{x.accelerator} {_number(money, x.usd_per_mtok_total)} ({_number(money, x.usd_per_mtok_recommended)} as run)"
        for x in answer.cheapest_of
    )
    yield f"the cheapest with {answer.limits}, {money.code} per million tokens: {costs}; {answer.confidence}"
    if answer.cheapest_of[0].accelerator != c.accelerator:
        yield f"{answer.cheapest_of[0].accelerator} is cheapest interpolated at the limit, {c.accelerator} as run"
    yield f"fixed cost: {_amount(money, answer.fixed_usd_per_day)} a day for {counted(gpus, 'GPU')}, at any load"
    if answer.cache:
        yield _cache(answer.cache)


def _cache(cache: OwnCache) -> str:
    effect = (
        f"{cache.factor:.2f} times the throughput at the same latency (predicted, same deployment)"
        if cache.origin == "predicted"
        else f"not counted: {cache.note}"
    )
    return f"{cache.share:.0%} of the input from your own cache: {effect}"


def _run(c: PricedCandidate, release: str = "") -> str:
    """`H200 with vllm 2026-01, TP8, 128 users`."""
    users = c.recommended["concurrency"]
    title = f"{c.accelerator} with {c.engine}{release}, {size_title(c.recommended)}"
    return title if users is None else f"{title}, {quantity(users, 'user')}"


def candidate_doubts(answer: SelfhostAnswer) -> Iterator[str]:
    """What makes the choice of the candidate doubtful."""
    if answer.withheld:
        yield f"don't rely on the choice of accelerator: {answer.withheld}"
    yield from doubts(answer)


def decision_words(answered: Sequence[tuple[str, SelfhostAnswer]], money: Currency = IN_USD) -> Iterator[str]:
    """The prices on both sides, the API to beat, the maker's price, and what each bound makes of them."""
    first, candidate = answered[0][1].decision, answered[0][1].candidate
    if first is None or candidate is None:
        return
    doubts = {
        c.accelerator: bound.price_doubts.get(c.accelerator) for _, bound in answered for c in deciders(bound) if c
    }
    basis = "".join(f"; {name}: {doubt}" for name, doubt in doubts.items() if doubt)
    yield f"GPU price: {answered[0][1].price}, {answered[0][1].price_source}{basis}"
    if len(answered) > 1:
        most, least = (bound.against_as_run[0].own_usd_per_mtok for _, bound in answered)
        if least < most:
            yield (
                f"{BEST_KNOWN} serving is {significant(most / least, 3)} times cheaper than {PLAIN}: "
                f"{_number(money, least)} against {_number(money, most)} as run"
            )
    yield f"cheapest API for this task: {_api(first.cheapest, money)}"
    if first.cheapest.api.maker:
        yield "that is the maker's own price"
    else:
        yield f"the maker's own price: {_api(first.maker, money) if first.maker else 'none is listed'}"
    for name, bound in answered:
        if bound.decision:
            yield from _verdict(name, bound, bound.decision, money)


def _api(s: SelfHost, money: Currency) -> str:
    return f"{s.api.provider} {short_name(s.api)}, {s.tier}, {_amount(money, s.api_usd_per_mtok)} per million tokens"


def _verdict(name: str, answer: SelfhostAnswer, decision: OwnOrApi, money: Currency) -> Iterator[str]:
    """Whether self-hosting pays against the cheapest API as run, and at the stated volume."""
    s, day, (candidate, day_candidate) = decision.cheapest, answer.day, deciders(answer)
    if candidate is None:
        return
    most = "" if s.most_load > 1 - ROUNDING else f"; the load curve allows {s.most_load:.0%}"
    title, on = f"{name} serving" if name else "self-hosting", f"on {_run(candidate)} ({counted(s.gpus, 'GPU')})"
    if s.pays:
        tokens = f"{significant(s.tokens_per_day / 1e6)} M tokens a day"
        yield f"{title} {on} costs less from a load of {s.load:.0%}, {tokens}{most}"
    else:
        cost = f"{_amount(money, s.own_usd_per_mtok)} per million tokens at full load"
        yield f"{title} costs more at any volume: {cost} {on}{most}"
    if day and day_candidate and s.api_usd_per_day is not None:
        winner = "self-hosting" if decision.cheaper == "own" else "the API"
        used = f"{counted(day.gpus, 'GPU')}, {day.utilisation:.0%} used, {day.idle_gpus} idle in the quietest hour"
        yield (
            f"  your {significant(day.tokens_per_day / 1e6)} M tokens a day: own {_amount(money, day.usd_per_day)} on "
            f"{_run(day_candidate)} ({used}), API {_amount(money, s.api_usd_per_day)}; {winner} saves "
            f"{_amount(money, decision.saved_usd_per_day)} a day"
        )
        if answer.day_cache and day_candidate != candidate:
            yield f"  {_cache(answer.day_cache)}"


def short_name(price: ApiPrice) -> str:
    """The last part of a provider's name for a model, without the provider's own name."""
    name = price.name.rsplit("/", 1)[-1]
    return name if price.maker else name.removeprefix(f"{price.provider}-")


def sources_words(answer: SelfhostAnswer) -> str:
    tiers = [s.api.base for s in answer.against]
    sources = ", ".join(dict.fromkeys(t.source.split(" <- ")[0] for t in tiers))
    collected = max((t.collected for t in tiers), default="")
    return f"API prices: {sources}" + (f", collected {collected}" if collected else "")


def _number(money: Currency, usd: float | None) -> str:
    """An amount in the currency, without its code."""
    return significant(money.of(usd))


def _amount(money: Currency, usd: float | None) -> str:
    return f"{_number(money, usd)} {money.code}"
