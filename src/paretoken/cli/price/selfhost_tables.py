"""How `paretoken selfhost` prints its answer: what it chose and why, what decides, and the APIs by rising price."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.bounds import BEST_KNOWN_TITLE, PLAIN_TITLE
from paretoken.answers.own_cache import OwnCache
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.selfhost import SelfhostAnswer
from paretoken.cli.cells import TableCell, number
from paretoken.cli.doubts import doubts
from paretoken.cli.money import amount, currency
from paretoken.cli.output import console, print_table
from paretoken.frontier.compare import size_title
from paretoken.plural import counted, quantity
from paretoken.prices.api_price import ApiPrice
from paretoken.prices.self_host import ROUNDING, OwnOrApi, SelfHost
from paretoken.significant import significant

PLAIN, BEST_KNOWN = "plain", "best known"
SPARE = ("valid from", "$/M cached", "$/M input", "$/M output", "tier")


def print_selfhost(answer: SelfhostAnswer) -> None:
    """The candidates of both bounds, what decides, and the table of APIs."""
    other = answer.best_known
    bounds = [(PLAIN_TITLE, PLAIN, answer), (BEST_KNOWN_TITLE, BEST_KNOWN, other)] if other else [("", "", answer)]
    out = console()
    for title, _, bound in bounds:
        if title:
            out.print(title, style="bold")
        for line in _candidate(bound):
            out.print(line)
        for line in _doubts(bound):
            out.print(line, style="yellow")
    answered = [(name, bound) for _, name, bound in bounds if bound.against]
    if len(answered) > 1 and other and _deciders(answer) == _deciders(other):
        answered = [("", answer)]
    out.print("\nWhat decides", style="bold")
    for line in _decision(answered):
        out.print(line)
    _print_apis(answered)
    out.print(_sources(answered[0][1]), style="dim")


def _number(usd: float | None) -> str:
    """An amount in the currency of the command, without its code."""
    return number(currency().of(usd))


def _amount(usd: float | None) -> str:
    return f"{_number(usd)} {currency().code}"


def _deciders(answer: SelfhostAnswer) -> tuple[PricedCandidate | None, ...]:
    """What decides the break-even load, and what decides at the stated volume."""
    return answer.candidate, answer.day_candidate


def _candidate(answer: SelfhostAnswer) -> Iterator[str]:
    """What was chosen, why, and what its tokens cost at full load."""
    c = answer.candidate
    if c is None or c.usd_per_gpu_h is None:
        yield answer.unmet or "no candidate"
        return
    release = "" if c.origin == "predicted" else f" {c.software}"
    gpus = answer.against[0].gpus
    yield (
        f"{_run(c, release)}, on {counted(gpus, 'GPU')} at {amount(c.usd_per_gpu_h)} per GPU-hour ({answer.price}): "
        f"{_amount(c.usd_per_mtok_recommended)} per million tokens at full load as run"
        + (f", {_number(c.usd_per_mtok_total)} interpolated at the limit" if c.interpolated else "")
    )
    costs = ", ".join(
        f"{x.accelerator} {_number(x.usd_per_mtok_total)} ({_number(x.usd_per_mtok_recommended)} as run)"
        for x in answer.cheapest_of
    )
    yield f"the cheapest with {answer.limits}, {currency().code} per million tokens: {costs}; {answer.confidence}"
    if answer.cheapest_of[0].accelerator != c.accelerator:
        yield f"{answer.cheapest_of[0].accelerator} is cheapest interpolated at the limit, {c.accelerator} as run"
    yield f"fixed cost: {_amount(answer.fixed_usd_per_day)} a day for {counted(gpus, 'GPU')}, at any load"
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


def _doubts(answer: SelfhostAnswer) -> Iterator[str]:
    """What makes the choice of the candidate doubtful."""
    if answer.withheld:
        yield f"don't rely on the choice of accelerator: {answer.withheld}"
    yield from doubts(answer)


def _decision(answered: list[tuple[str, SelfhostAnswer]]) -> Iterator[str]:
    """The prices on both sides, the API to beat, the maker's price, and what each bound makes of them."""
    first, candidate = answered[0][1].decision, answered[0][1].candidate
    if first is None or candidate is None:
        return
    doubts = {
        c.accelerator: bound.price_doubts.get(c.accelerator) for _, bound in answered for c in _deciders(bound) if c
    }
    basis = "".join(f"; {name}: {doubt}" for name, doubt in doubts.items() if doubt)
    yield f"GPU price: {answered[0][1].price}, {answered[0][1].price_source}{basis}"
    if len(answered) > 1:
        most, least = (bound.against_as_run[0].own_usd_per_mtok for _, bound in answered)
        if least < most:
            yield (
                f"{BEST_KNOWN} serving is {significant(most / least, 3)} times cheaper than {PLAIN}: "
                f"{_number(least)} against {_number(most)} as run"
            )
    yield f"cheapest API for this task: {_api(first.cheapest)}"
    if first.cheapest.api.maker:
        yield "that is the maker's own price"
    else:
        yield f"the maker's own price: {_api(first.maker) if first.maker else 'none is listed'}"
    for name, bound in answered:
        if bound.decision:
            yield from _verdict(name, bound, bound.decision)


def _api(s: SelfHost) -> str:
    return f"{s.api.provider} {_short(s.api)}, {s.tier}, {_amount(s.api_usd_per_mtok)} per million tokens"


def _verdict(name: str, answer: SelfhostAnswer, decision: OwnOrApi) -> Iterator[str]:
    """Whether self-hosting pays against the cheapest API as run, and at the stated volume."""
    s, day, (candidate, day_candidate) = decision.cheapest, answer.day, _deciders(answer)
    if candidate is None:
        return
    most = "" if s.most_load > 1 - ROUNDING else f"; the load curve allows {s.most_load:.0%}"
    title, on = f"{name} serving" if name else "self-hosting", f"on {_run(candidate)} ({counted(s.gpus, 'GPU')})"
    if s.pays:
        tokens = f"{significant(s.tokens_per_day / 1e6)} M tokens a day"
        yield f"{title} {on} costs less from a load of {s.load:.0%}, {tokens}{most}"
    else:
        cost = f"{_amount(s.own_usd_per_mtok)} per million tokens at full load"
        yield f"{title} costs more at any volume: {cost} {on}{most}"
    if day and day_candidate and s.api_usd_per_day is not None:
        winner = "self-hosting" if decision.cheaper == "own" else "the API"
        used = f"{counted(day.gpus, 'GPU')}, {day.utilisation:.0%} used, {day.idle_gpus} idle in the quietest hour"
        yield (
            f"  your {significant(day.tokens_per_day / 1e6)} M tokens a day: own {_amount(day.usd_per_day)} on "
            f"{_run(day_candidate)} ({used}), API {_amount(s.api_usd_per_day)}; {winner} saves "
            f"{_amount(decision.saved_usd_per_day)} a day"
        )
        if answer.day_cache and day_candidate != candidate:
            yield f"  {_cache(answer.day_cache)}"


def _print_apis(answered: list[tuple[str, SelfhostAnswer]]) -> None:
    loads = [list(zip(bound.against, bound.against_as_run, strict=True)) for _, bound in answered]
    volume = answered[0][1].day is not None
    print_table(
        "\nThe break-even load of self-hosting against each API",
        (
            *("API", "model name", "tier", "$/M input", "$/M output", "$/M cached", "$/M"),
            *(["USD/day"] if volume else []),
            *(name or "load" for name, _ in answered),
            "valid from",
        ),
        [
            (
                f"{s.api.provider} (maker)" if s.api.maker else s.api.provider,
                _short(s.api),
                s.tier,
                s.api.base.input,
                s.api.base.output,
                s.api.base.cached,
                s.api_usd_per_mtok,
                *([s.api_usd_per_day] if volume else []),
                *(_loads(*own) for own in row),
                s.api.valid_from or None,
            )
            for row in zip(*loads, strict=True)
            for s in (row[0][0],)
        ],
        "$/M: blended for the task; loads: interpolated at the limit / as run, or both; never: the API is cheaper at "
        "any volume; valid from: the first day on which the price is known to hold",
        SPARE,
    )


def _loads(at_limit: SelfHost, as_run: SelfHost) -> TableCell:
    texts = [f"{s.load:.0%}" if s.pays else "never" for s in (at_limit, as_run)]
    shares = [s.load * 100 if s.pays else None for s in (at_limit, as_run)]
    return TableCell(" / ".join(dict.fromkeys(texts)), tuple(shares), ("at the limit %", "as run %"))


def _short(price: ApiPrice) -> str:
    """The last part of a provider's name for a model, without the provider's own name."""
    name = price.name.rsplit("/", 1)[-1]
    return name if price.maker else name.removeprefix(f"{price.provider}-")


def _sources(answer: SelfhostAnswer) -> str:
    tiers = [s.api.base for s in answer.against]
    sources = ", ".join(dict.fromkeys(t.source.split(" <- ")[0] for t in tiers))
    collected = max((t.collected for t in tiers), default="")
    return f"API prices: {sources}" + (f", collected {collected}" if collected else "")
