"""Who should do what: for each layer of the market the cheapest tokens, how to get them, and what would change that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paretoken.frontier import Candidate
from paretoken.frontier.verdict import confidence
from paretoken.prices.cost import break_even_rent, usd_per_mtok
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True)
class BuyerSegment:
    """A kind of buyer."""

    key: str
    title: str


LAYERS = (
    BuyerSegment("hyperscaler", "A hyperscaler that owns"),
    BuyerSegment("neocloud", "A neocloud that owns and rents out"),
    BuyerSegment("enterprise", "An enterprise on 1 to 3 years"),
    BuyerSegment("team", "A team that rents by the hour or month"),
)


@dataclass(frozen=True, slots=True)
class Procurement:
    """Owning, or renting at a term; `data` says by accelerator what the price rests on.

    `scarce` gives the accelerators whose price may not be to be had, each with the reason: they are
    ranked after the others, however cheap.
    """

    layer: str
    name: str
    tariff: Tariff
    data: Mapping[str, str]
    scarce: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """An accelerator and engine got in one way. `rent_margin` is a neocloud's (rent − cost) / rent, if it rents out."""

    candidate: Candidate
    way: Procurement
    usd_per_gpu_h: float
    usd_per_mtok: float
    rent_margin: float | None = None

    @property
    def scarce(self) -> str | None:
        """Why the price may not be to be had; None where it can."""
        return self.way.scarce.get(self.candidate.accelerator)

    @property
    def thin(self) -> str:
        """How much stands behind it: the points' and the price's data."""
        c = self.candidate
        scarce = f"; scarce: {self.scarce}" if self.scarce else ""
        return f"{c.n_points} {c.origin} points; {self.way.data.get(c.accelerator) or self.way.tariff.source}{scarce}"


@dataclass(frozen=True, slots=True)
class Change:
    """The price of a GPU-hour at which an accelerator's tokens would cost what the best one's do.

    `usd_now` is what it costs now, None if it has no price in the layer; `by` how far it would have to fall,
    below 0 where it is the cheaper already, but scarce.
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


@dataclass(frozen=True, slots=True)
class Advice:
    """The choices of a layer by rising cost of tokens, the scarce ones last.

    `margin` is how much dearer the best choice with another accelerator is, `sure` the word for it; below 0
    only scarce ones are left, and one of them is the cheaper.
    `changes` are the prices at which each other accelerator would draw level, nearest first.
    """

    layer: BuyerSegment
    choices: tuple[Choice, ...]
    runner_up: Choice | None
    margin: float | None
    sure: str
    changes: tuple[Change, ...]

    @property
    def best(self) -> Choice | None:
        return self.choices[0] if self.choices else None


def advise(
    found: Sequence[Candidate],
    ways: Iterable[Procurement],
    serving_load: float = 1.0,
    rents_usd: Mapping[str, float] | None = None,
) -> list[Advice]:
    """The advice of every layer for candidates at one latency; `rents_usd` is what the market pays a neocloud."""
    ways = list(ways)
    return [
        _of_layer(layer, found, [w for w in ways if w.layer == layer.key], serving_load, rents_usd or {})
        for layer in LAYERS
    ]


def _of_layer(
    layer: BuyerSegment,
    found: Sequence[Candidate],
    ways: Sequence[Procurement],
    load: float,
    rents: Mapping[str, float],
) -> Advice:
    choices = [
        _choice(layer, c, w, load, rents) for c in found for w in ways if c.accelerator in w.tariff.usd_per_gpu_h
    ]
    ranked = sorted(choices, key=lambda x: (x.scarce is not None, x.usd_per_mtok, x.candidate.accelerator, x.way.name))
    if not ranked:
        return Advice(layer, (), None, None, "no price", ())
    best = ranked[0]
    second = next((x for x in ranked if x.candidate.accelerator != best.candidate.accelerator), None)
    margin = second.usd_per_mtok / best.usd_per_mtok - 1 if second else None
    points = min(best.candidate.n_points, second.candidate.n_points) if second else best.candidate.n_points
    origins = [x.candidate.origin for x in (best, second) if x]
    sure = "uncontested" if margin is None else "scarce" if margin < 0 else confidence(margin, points, origins)
    return Advice(layer, tuple(ranked), second, margin, sure, tuple(_changes(best, found, ranked)))


def _choice(layer: BuyerSegment, c: Candidate, way: Procurement, load: float, rents: Mapping[str, float]) -> Choice:
    usd = way.tariff.usd_per_gpu_h[c.accelerator]
    rent = rents.get(c.accelerator) if layer.key == "neocloud" else None
    return Choice(c, way, usd, usd_per_mtok(usd, c.tput_per_gpu, load), (rent - usd) / rent if rent else None)


def _changes(best: Choice, found: Sequence[Candidate], ranked: Sequence[Choice]) -> list[Change]:
    """For every other accelerator its fastest engine's break-even price against the best choice."""
    others = {}
    for c in found:
        if c.accelerator != best.candidate.accelerator:
            others[c.accelerator] = max(others.get(c.accelerator, 0.0), c.tput_per_gpu)
    now = {a: min((x.usd_per_gpu_h for x in ranked if x.candidate.accelerator == a), default=None) for a in others}
    changes = [
        Change(a, break_even_rent(best.usd_per_gpu_h, best.candidate.tput_per_gpu, tput), now[a])
        for a, tput in others.items()
    ]
    return sorted(changes, key=lambda x: (x.by is None, x.by if x.by is not None else -x.usd_needed, x.accelerator))


def advice_json(advice: Advice) -> dict:
    """As plain values."""
    return {
        "layer": advice.layer.key,
        "title": advice.layer.title,
        "choices": [choice_json(x) for x in advice.choices],
        "runner_up": choice_json(advice.runner_up) if advice.runner_up else None,
        "margin": advice.margin,
        "sure": advice.sure,
        "changes": [
            {
                "accelerator": c.accelerator,
                "usd_needed": c.usd_needed,
                "usd_now": c.usd_now,
                "by": c.by,
                "already_cheaper": c.already_cheaper,
            }
            for c in advice.changes
        ],
    }


def choice_json(x: Choice) -> dict:
    """As plain values."""
    c = x.candidate
    return {
        "accelerator": c.accelerator,
        "engine": c.engine,
        "way": x.way.name,
        "usd_per_gpu_h": x.usd_per_gpu_h,
        "usd_per_mtok_total": x.usd_per_mtok,
        "tput_per_gpu": c.tput_per_gpu,
        "tp": c.tp,
        "origin": c.origin,
        "rent_margin": x.rent_margin,
        "scarce": x.scarce,
        "data": x.thin,
    }
