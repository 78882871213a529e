"""Recommendations: for each buyer segment the cheapest tokens, how to procure them, and what would change that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from paretoken.frontier import Candidate, Verdict
from paretoken.frontier.consistency import is_stale
from paretoken.frontier.curve import CurvePoint
from paretoken.plural import counted
from paretoken.prices.cost import break_even_rent, owner_margin, usd_per_mtok
from paretoken.prices.fleet import PowerLimitedFleet, fleet
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
    """Owning, or renting at a term, for one buyer segment; `basis` explains the price of each accelerator.

    `scarce` gives the accelerators that may not be available at the price, each with the reason. They are ranked
    after the others, however cheap. The prices of `unranked` accelerators do not compete, because the segment has
    another option at the market's price. `utility_kw` is the power at the utility's meter, kW per GPU, for a buyer
    with a site of its own.
    """

    segment: str
    name: str
    tariff: Tariff
    basis: Mapping[str, str]
    scarce: Mapping[str, str] = field(default_factory=dict)
    unranked: Collection[str] = ()
    utility_kw: Mapping[str, float] = field(default_factory=dict)


Judge = Callable[[Mapping[str, float]], Verdict | None]
"""The verdict at the latency limit, given each accelerator's tokens per dollar as 1 / price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An accelerator and engine under one procurement option.

    Throughput and `usd_per_mtok_total` are interpolated at the limit if `interpolated` says so. `recommended` is the
    point to repeat, which was run and meets the limit, `tp` its tensor-parallel size, and `usd_per_mtok_recommended`
    the cost of its tokens. `rent_margin` is a neocloud's (rent − cost) / rent. `scarce` is the reason why the
    accelerator may not be available at the price; None if it is available. `price_basis` is the basis of the price,
    `data` that of points and price. `fleet` is what fits under a power limit on a site of the buyer's own.
    """

    accelerator: str
    engine: str
    software: str
    date: str | None
    procurement: str
    usd_per_gpu_h: float
    usd_per_mtok_total: float
    tput_per_gpu: float
    interpolated: bool
    tp: str
    recommended: CurvePoint
    usd_per_mtok_recommended: float
    origin: str
    rent_margin: float | None
    scarce: str | None
    n_points: int
    price_basis: str
    data: str
    fleet: PowerLimitedFleet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenPrice:
    """The price of a GPU-hour at which an accelerator's tokens would cost as much as those of the best choice.

    `usd_now` is its present price, None if it has none in the segment. `by` is the share by which that would have to
    fall, below 0 if the accelerator is cheaper already, but scarce.
    """

    accelerator: str
    usd_needed: float
    usd_now: float | None
    by: float | None
    already_cheaper: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The choices of a buyer segment by rising cost of tokens, the scarce ones last.

    `unranked` lists the choices at a surveyed price whose accelerator also has a market price, by rising cost of
    tokens. They never win.

    `winner` is the accelerator to choose, with the procurement of the first choice. It is None if nothing has a
    price, or if the verdict is withheld; `withheld` gives the reason. `margin` is how much more the best choice with
    another accelerator costs. It is below 0 if only scarce choices are left and one of them is cheaper. `confidence`,
    `fragile`, `data_end`, `acceptance` and `days_apart` are those of `frontier.verdict.Verdict` between the two.
    `changes` are the prices at which each other accelerator would be equal to the winner, nearest first.
    """

    segment: str
    title: str
    winner: str | None = None
    choices: tuple[Choice, ...] = ()
    unranked: tuple[Choice, ...] = ()
    runner_up: Choice | None = None
    margin: float | None = None
    confidence: str = "no price"
    fragile: str | None = None
    data_end: str | None = None
    withheld: str | None = None
    acceptance: str | None = None
    days_apart: int | None = None
    changes: tuple[BreakEvenPrice, ...] = ()

    @property
    def best(self) -> Choice | None:
        """The choice that is recommended."""
        return self.choices[0] if self.winner else None

    @property
    def cheaper_as_run(self) -> Choice | None:
        """The choice, no scarcer than the best, whose own run has the cheapest tokens, if another accelerator's."""
        best = self.best
        if best is None:
            return None
        runs = (x for x in self.choices if best.scarce or not x.scarce)
        cheapest = min(runs, key=lambda x: x.usd_per_mtok_recommended)
        return None if cheapest.accelerator == best.accelerator else cheapest

    @property
    def stale(self) -> bool:
        """Whether the two sides' software is more than 90 days apart."""
        return is_stale(self.days_apart)


def advise(
    candidates: Sequence[Candidate],
    procurements: Iterable[Procurement],
    judge: Judge,
    serving_load: float = 1.0,
    rents_usd: Mapping[str, float] | None = None,
    mw: float | None = None,
) -> list[Advice]:
    """The advice for every segment at one latency limit; `rents_usd` is what the market pays a neocloud.

    `mw` is a power limit at the utility's meter, under which fleets are sized.
    """
    by_segment: dict[str, list[Procurement]] = {}
    for procurement in procurements:
        by_segment.setdefault(procurement.segment, []).append(procurement)
    return [
        _of_segment(
            segment,
            candidates,
            by_segment.get(segment.key, []),
            judge,
            serving_load,
            (rents_usd or {}) if segment.key == "neocloud" else {},
            mw,
        )
        for segment in BUYER_SEGMENTS
    ]


def _of_segment(
    segment: BuyerSegment,
    candidates: Sequence[Candidate],
    procurements: Sequence[Procurement],
    judge: Judge,
    load: float,
    rents: Mapping[str, float],
    mw: float | None,
) -> Advice:
    choices, unranked = list[Choice](), list[Choice]()
    for c, p in product(candidates, procurements):
        if c.accelerator in p.tariff.usd_per_gpu_h:
            target = unranked if c.accelerator in p.unranked else choices
            target.append(_choice(c, p, load, rents.get(c.accelerator), mw))
    choices.sort(key=_rank)
    unranked.sort(key=_rank)
    if not choices:
        return Advice(segment=segment.key, title=segment.title, unranked=tuple(unranked))
    best = choices[0]
    second = next((x for x in choices if x.accelerator != best.accelerator), None)
    margin = second.usd_per_mtok_total / best.usd_per_mtok_total - 1 if second else None
    verdict = None if margin is None or margin < 0 else judge(_tokens_per_usd(choices, second))
    withheld = verdict.withheld if verdict else None
    return Advice(
        segment=segment.key,
        title=segment.title,
        winner=None if withheld else best.accelerator,
        choices=tuple(choices),
        unranked=tuple(unranked),
        runner_up=second,
        margin=margin,
        confidence=verdict.confidence if verdict else "uncontested" if margin is None else "scarce",
        fragile=verdict.fragile if verdict else None,
        data_end=verdict.data_end if verdict else None,
        withheld=withheld,
        acceptance=verdict.acceptance if verdict else None,
        days_apart=verdict.days_apart if verdict else None,
        changes=() if withheld else tuple(_break_evens(best, candidates, choices)),
    )


def _tokens_per_usd(choices: Sequence[Choice], second: Choice | None) -> dict[str, float]:
    """1 / price of the best choice of each accelerator; scarce ones take part only if the second is scarce."""
    prices: dict[str, float] = {}
    for x in choices:
        if x.scarce is None or (second and second.scarce):
            prices.setdefault(x.accelerator, x.usd_per_gpu_h)
    return {accelerator: 1 / usd for accelerator, usd in prices.items()}


def _rank(choice: Choice) -> tuple[bool, float, str, str]:
    return choice.scarce is not None, choice.usd_per_mtok_total, choice.accelerator, choice.procurement


def _choice(c: Candidate, procurement: Procurement, load: float, rent: float | None, mw: float | None) -> Choice:
    usd = procurement.tariff.usd_per_gpu_h[c.accelerator]
    scarce = procurement.scarce.get(c.accelerator)
    basis = procurement.basis.get(c.accelerator) or procurement.tariff.source
    basis += f"; scarce: {scarce}" if scarce else ""
    kw = procurement.utility_kw.get(c.accelerator)
    return Choice(
        accelerator=c.accelerator,
        engine=c.engine,
        software=c.software,
        date=c.date,
        procurement=procurement.name,
        usd_per_gpu_h=usd,
        usd_per_mtok_total=usd_per_mtok(usd, c.tput_per_gpu, load),
        tput_per_gpu=c.tput_per_gpu,
        interpolated=c.interpolated,
        tp=c.tp,
        recommended=c.recommended,
        usd_per_mtok_recommended=usd_per_mtok(usd, c.recommended["tput_per_gpu"], load),
        origin=c.origin,
        rent_margin=owner_margin(rent, usd) if rent else None,
        scarce=scarce,
        n_points=c.n_points,
        price_basis=basis,
        data=f"{counted(c.n_points, f'{c.origin} point')}; {basis}",
        fleet=fleet(mw, kw, usd, c.tput_per_gpu, load) if mw is not None and kw else None,
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
