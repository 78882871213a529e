"""Recommendations: for each buyer segment the cheapest tokens, how to procure them, and what would change that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paretoken.frontier import Candidate
from paretoken.frontier.verdict import confidence
from paretoken.plural import counted
from paretoken.prices.cost import break_even_rent, owner_margin, usd_per_mtok
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True)
class BuyerSegment:
    """A kind of buyer."""

    key: str
    title: str


BUYER_SEGMENTS = (
    BuyerSegment("hyperscaler", "A hyperscaler that owns"),
    BuyerSegment("neocloud", "A neocloud that owns and rents out"),
    BuyerSegment("enterprise", "An enterprise on 1 to 3 years"),
    BuyerSegment("team", "A team that rents by the hour or month"),
)


@dataclass(frozen=True, slots=True)
class Procurement:
    """Owning, or renting at a term, for one buyer segment; `basis` is, by accelerator, what the price rests on.

    `scarce` gives the accelerators that may not be available at the price, each with the reason: they are
    ranked after the others, however cheap.
    """

    segment: str
    name: str
    tariff: Tariff
    basis: Mapping[str, str]
    scarce: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An accelerator and engine under one procurement option.

    `rent_margin` is a neocloud's (rent − cost) / rent. `scarce` says why it may not be available at the price,
    None where it is; `data` what points and price rest on.
    """

    accelerator: str
    engine: str
    procurement: str
    usd_per_gpu_h: float
    usd_per_mtok_total: float
    tput_per_gpu: float
    tp: str
    origin: str
    rent_margin: float | None
    scarce: str | None
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenPrice:
    """The price of a GPU-hour at which an accelerator's tokens would cost what the best choice's do.

    `usd_now` is its present price, None if it has none in the segment; `by` the share it would have to fall,
    below 0 where it is cheaper already, but scarce.
    """

    accelerator: str
    usd_needed: float
    usd_now: float | None
    by: float | None
    already_cheaper: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The choices of a buyer segment by rising cost of tokens, the scarce ones last.

    `margin` is how much more the best choice with another accelerator costs, `confidence` the word for it; below 0
    only scarce ones are left, and one of them is cheaper.
    `changes` are the prices at which each other accelerator would be equal, nearest first.
    """

    segment: str
    title: str
    choices: tuple[Choice, ...] = ()
    runner_up: Choice | None = None
    margin: float | None = None
    confidence: str = "no price"
    changes: tuple[BreakEvenPrice, ...] = ()

    @property
    def best(self) -> Choice | None:
        return self.choices[0] if self.choices else None


def advise(
    candidates: Sequence[Candidate],
    procurements: Iterable[Procurement],
    serving_load: float = 1.0,
    rents_usd: Mapping[str, float] | None = None,
) -> list[Advice]:
    """The advice for every segment at one latency; `rents_usd` is what the market pays a neocloud."""
    by_segment: dict[str, list[Procurement]] = {}
    for procurement in procurements:
        by_segment.setdefault(procurement.segment, []).append(procurement)
    return [
        _of_segment(
            segment,
            candidates,
            by_segment.get(segment.key, []),
            serving_load,
            (rents_usd or {}) if segment.key == "neocloud" else {},
        )
        for segment in BUYER_SEGMENTS
    ]


def _of_segment(
    segment: BuyerSegment,
    candidates: Sequence[Candidate],
    procurements: Sequence[Procurement],
    load: float,
    rents: Mapping[str, float],
) -> Advice:
    options = [
        (_choice(c, p, load, rents.get(c.accelerator)), c)
        for c in candidates
        for p in procurements
        if c.accelerator in p.tariff.usd_per_gpu_h
    ]
    if not options:
        return Advice(segment=segment.key, title=segment.title)
    options.sort(key=lambda x: _rank(x[0]))
    choices = [choice for choice, _ in options]
    best, of_best = options[0]
    second, of_second = next((x for x in options if x[0].accelerator != best.accelerator), (None, None))
    margin = second.usd_per_mtok_total / best.usd_per_mtok_total - 1 if second else None
    return Advice(
        segment=segment.key,
        title=segment.title,
        choices=tuple(choices),
        runner_up=second,
        margin=margin,
        confidence=_confidence(margin, [c for c in (of_best, of_second) if c]),
        changes=tuple(_break_evens(best, candidates, choices)),
    )


def _rank(choice: Choice) -> tuple[bool, float, str, str]:
    return choice.scarce is not None, choice.usd_per_mtok_total, choice.accelerator, choice.procurement


def _confidence(margin: float | None, compared: Sequence[Candidate]) -> str:
    if margin is None:
        return "uncontested"
    if margin < 0:
        return "scarce"
    return confidence(margin, min(c.n_points for c in compared), [c.origin for c in compared])


def _choice(c: Candidate, procurement: Procurement, load: float, rent: float | None) -> Choice:
    usd = procurement.tariff.usd_per_gpu_h[c.accelerator]
    scarce = procurement.scarce.get(c.accelerator)
    basis = procurement.basis.get(c.accelerator) or procurement.tariff.source
    return Choice(
        accelerator=c.accelerator,
        engine=c.engine,
        procurement=procurement.name,
        usd_per_gpu_h=usd,
        usd_per_mtok_total=usd_per_mtok(usd, c.tput_per_gpu, load),
        tput_per_gpu=c.tput_per_gpu,
        tp=c.tp,
        origin=c.origin,
        rent_margin=owner_margin(rent, usd) if rent else None,
        scarce=scarce,
        data=f"{counted(c.n_points, f'{c.origin} point')}; {basis}" + (f"; scarce: {scarce}" if scarce else ""),
    )


def _break_evens(best: Choice, candidates: Sequence[Candidate], choices: Sequence[Choice]) -> list[BreakEvenPrice]:
    """For every other accelerator its fastest engine's break-even price against the best choice."""
    others: dict[str, float] = {}
    for c in candidates:
        if c.accelerator != best.accelerator:
            others[c.accelerator] = max(others.get(c.accelerator, 0.0), c.tput_per_gpu)
    prices = [
        _break_even(a, break_even_rent(best.usd_per_gpu_h, best.tput_per_gpu, tput), choices)
        for a, tput in others.items()
    ]
    return sorted(prices, key=lambda x: (x.by is None, x.by if x.by is not None else -x.usd_needed, x.accelerator))


def _break_even(accelerator: str, usd_needed: float, choices: Sequence[Choice]) -> BreakEvenPrice:
    usd_now = min((x.usd_per_gpu_h for x in choices if x.accelerator == accelerator), default=None)
    by = None if usd_now is None else 1 - usd_needed / usd_now
    return BreakEvenPrice(
        accelerator=accelerator,
        usd_needed=usd_needed,
        usd_now=usd_now,
        by=by,
        already_cheaper=by is not None and by < 0,
    )
