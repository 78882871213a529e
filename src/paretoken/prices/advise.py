"""Recommendations: for each buyer segment the cheapest tokens, how to procure them, and what would change that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paretoken.frontier import Candidate
from paretoken.frontier.verdict import confidence
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


@dataclass(frozen=True, slots=True)
class Choice:
    """An accelerator and engine under one procurement option. `rent_margin` is a neocloud's (rent − cost) / rent."""

    candidate: Candidate
    procurement: Procurement
    usd_per_gpu_h: float
    usd_per_mtok: float
    rent_margin: float | None = None

    @property
    def scarce(self) -> str | None:
        """Why it may not be available at the price; None where it is."""
        return self.procurement.scarce.get(self.candidate.accelerator)

    @property
    def evidence(self) -> str:
        """The data behind it: of the points and of the price."""
        c = self.candidate
        basis = self.procurement.basis.get(c.accelerator) or self.procurement.tariff.source
        scarce = f"; scarce: {self.scarce}" if self.scarce else ""
        return f"{c.n_points} {c.origin} points; {basis}{scarce}"


@dataclass(frozen=True, slots=True)
class BreakEvenPrice:
    """The price of a GPU-hour at which an accelerator's tokens would cost what the best choice's do.

    `usd_now` is its present price, None if it has none in the segment; `by` the share it would have to fall,
    below 0 where it is cheaper already, but scarce.
    """

    accelerator: str
    usd_needed: float
    usd_now: float | None

    @property
    def by(self) -> float | None:
        return None if self.usd_now is None else 1 - self.usd_needed / self.usd_now

    @property
    def already_cheaper(self) -> bool:
        return self.by is not None and self.by < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The choices of a buyer segment by rising cost of tokens, the scarce ones last.

    `margin` is how much more the best choice with another accelerator costs, `confidence` the word for it; below 0
    only scarce ones are left, and one of them is cheaper.
    `break_evens` are the prices at which each other accelerator would be equal, nearest first.
    """

    segment: BuyerSegment
    choices: tuple[Choice, ...] = ()
    runner_up: Choice | None = None
    margin: float | None = None
    confidence: str = "no price"
    break_evens: tuple[BreakEvenPrice, ...] = ()

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
    choices = [
        _choice(c, p, load, rents.get(c.accelerator))
        for c in candidates
        for p in procurements
        if c.accelerator in p.tariff.usd_per_gpu_h
    ]
    if not choices:
        return Advice(segment=segment)
    ranked = sorted(
        choices, key=lambda x: (x.scarce is not None, x.usd_per_mtok, x.candidate.accelerator, x.procurement.name)
    )
    best = ranked[0]
    second = next((x for x in ranked if x.candidate.accelerator != best.candidate.accelerator), None)
    margin = second.usd_per_mtok / best.usd_per_mtok - 1 if second else None
    return Advice(
        segment=segment,
        choices=tuple(ranked),
        runner_up=second,
        margin=margin,
        confidence=_confidence(margin, [x.candidate for x in (best, second) if x]),
        break_evens=tuple(_break_evens(best, candidates, ranked)),
    )


def _confidence(margin: float | None, compared: Sequence[Candidate]) -> str:
    if margin is None:
        return "uncontested"
    if margin < 0:
        return "scarce"
    return confidence(margin, min(c.n_points for c in compared), [c.origin for c in compared])


def _choice(c: Candidate, procurement: Procurement, load: float, rent: float | None) -> Choice:
    usd = procurement.tariff.usd_per_gpu_h[c.accelerator]
    margin = owner_margin(rent, usd) if rent else None
    return Choice(c, procurement, usd, usd_per_mtok(usd, c.tput_per_gpu, load), margin)


def _break_evens(best: Choice, candidates: Sequence[Candidate], ranked: Sequence[Choice]) -> list[BreakEvenPrice]:
    """For every other accelerator its fastest engine's break-even price against the best choice."""
    others: dict[str, float] = {}
    for c in candidates:
        if c.accelerator != best.candidate.accelerator:
            others[c.accelerator] = max(others.get(c.accelerator, 0.0), c.tput_per_gpu)
    now = {a: min((x.usd_per_gpu_h for x in ranked if x.candidate.accelerator == a), default=None) for a in others}
    prices = [
        BreakEvenPrice(a, break_even_rent(best.usd_per_gpu_h, best.candidate.tput_per_gpu, tput), now[a])
        for a, tput in others.items()
    ]
    return sorted(prices, key=lambda x: (x.by is None, x.by if x.by is not None else -x.usd_needed, x.accelerator))
