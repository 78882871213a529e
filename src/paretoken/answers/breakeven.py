"""`breakeven`: the rent at which the tokens of two accelerators cost the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from paretoken.answers.frontier import frontier_curves
from paretoken.answers.latency import ids
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.market_terms import MarketTerm, market_terms
from paretoken.answers.points import AxisQuestion, Data
from paretoken.answers.rent_curve import BreakevenPoint, rent_curve
from paretoken.errors import BadConfig, NoData
from paretoken.frontier.verdict import curve_grid
from paretoken.points.selection import Axis
from paretoken.prices.owner.layers import read_set
from paretoken.prices.owner.price import owner_inputs, owner_tariff

Operator = Literal["hyperscaler", "neocloud", "enterprise"]


@dataclass(frozen=True, kw_only=True)
class BreakevenQuestion(AxisQuestion, MarketQuestion):
    """At which rent do the tokens of `accelerator` cost what those of `against` do?

    One basis: a stated `rent_usd` of `against`; what both cost an `operator` who owns them; or the rental `market`,
    at every term or those named, where a `rent_usd` takes the place of the rents of `against`.
    """

    accelerator: Annotated[str, Field(description="The accelerator whose break-even rent is computed")]
    against: Annotated[str, Field(description="The accelerator it is compared with")]
    rent_usd: Annotated[float | None, Field(description="Rent of `against`, USD per GPU-hour")] = None
    market: Annotated[bool, Field(description="Compare with the rents of both on the market")] = False
    terms: Annotated[tuple[str, ...], Field(description="Rental terms of the market; all by default")] = ()
    operator: Annotated[Operator | None, Field(description="Compare with what both cost this owner")] = None
    sets: Annotated[tuple[str, ...], Field(description="Your own cost figures: shipped names or TOML files")] = ()
    switching_usd: Annotated[float, Field(description="One-off cost of switching, USD per GPU")] = 0.0
    hours: Annotated[float, Field(description="Hours of use that the switching cost is spread over")] = 26280.0

    def check(self) -> None:
        """BadConfig unless there is exactly one basis, with values that make sense."""
        if self.terms and not self.market:
            raise BadConfig("--term is a rental term of the market; give --market too")
        if (self.market and self.operator) or (self.operator and self.rent_usd is not None):
            raise BadConfig("give one basis: --rent, --market (with or without --rent), or --tco")
        if not self.market and not self.operator and self.rent_usd is None:
            raise BadConfig("the rent of the other accelerator is missing; give --rent, --market or --tco")
        if self.rent_usd is not None and not 0 < self.rent_usd < inf:
            raise BadConfig(f"the rent of {self.against} is {self.rent_usd} USD per GPU-hour; it must be above 0")
        if not self.switching_usd >= 0 or not self.hours > 0:
            raise BadConfig(
                f"a switching cost of {self.switching_usd:g} USD over {self.hours:g} h; "
                "give 0 USD or more over hours above 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerBreakevenPoint(BreakevenPoint):
    """A break-even rent beside what the accelerator costs its owner."""

    cost_usd_per_gpu_h: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakevenAnswer:
    """The break-even rent over latency.

    `points` answers the bases of a stated rent and of an owner; `values` and `terms` that of the market: the
    latencies in the axis' own unit, and for each rental term the break-even rent at each of them.
    """

    accelerator: str
    against: str
    axis: Axis
    points: tuple[OwnerBreakevenPoint | BreakevenPoint, ...] = ()
    values: tuple[float, ...] = ()
    terms: tuple[MarketTerm, ...] = ()


def breakeven(question: BreakevenQuestion, data: Data | None = None, market: Market | None = None) -> BreakevenAnswer:
    """The rent at which `accelerator` has the token cost of `against`, over latency, on the question's basis."""
    question.check()
    data = data or Data.of(question)
    b, a = ids(data.catalog.accelerators, (question.accelerator, question.against), data.accelerators)
    question = replace(question, accelerator=b, against=a, accelerators=(a, b))
    if question.market:
        return _on_the_market(question, data, market or Market.of(question, data.catalog))
    if question.operator:
        return _to_an_owner(question, data, question.operator)
    return _answer(question, _curve(question, data, question.rent_usd or 1.0))


def _on_the_market(question: BreakevenQuestion, data: Data, market: Market) -> BreakevenAnswer:
    """At a rent of 1 the break-even rent is the ratio of the throughputs, to which every term's rent is applied."""
    rent_usd = question.rent_usd or 1.0
    curve = _curve(replace(question, switching_usd=0.0), data, rent_usd)
    terms = market_terms(
        market,
        accelerator=question.accelerator,
        against=question.against,
        rent_usd=question.rent_usd,
        terms=question.terms,
        ratio=[p.break_even_usd_per_gpu_h / rent_usd for p in curve],
        switching_usd_per_h=question.switching_usd / question.hours,
    )
    return replace(_answer(question, ()), values=tuple(p.value for p in curve), terms=tuple(terms))


def _to_an_owner(question: BreakevenQuestion, data: Data, operator: Operator) -> BreakevenAnswer:
    names = (question.accelerator, question.against)
    owned = owner_tariff(owner_inputs(data.catalog, operator, names, [read_set(s) for s in question.sets]))
    own, other = (owned.usd_per_gpu_h[name] for name in names)
    points = [
        OwnerBreakevenPoint(**asdict(p), cost_usd_per_gpu_h=own, basis=owned.name)
        for p in _curve(question, data, other)
    ]
    return _answer(question, points)


def _curve(question: BreakevenQuestion, data: Data, rent_usd: float) -> tuple[BreakevenPoint, ...]:
    """The break-even rents less the switching cost per hour; NoData if the two share no latency."""
    grid = curve_grid(frontier_curves(question, question.axis, data))
    curve = rent_curve(grid, question.axis, question.accelerator, question.against, rent_usd)
    if not curve:
        isl, osl = question.lengths(data.catalog)
        raise NoData(
            f"{question.accelerator} and {question.against} have no latency in common for {question.model} "
            f"{question.precision or ''} {isl}/{osl}; no break-even rent"
        )
    per_hour = question.switching_usd / question.hours
    return tuple(replace(p, break_even_usd_per_gpu_h=p.break_even_usd_per_gpu_h - per_hour) for p in curve)


def _answer(question: BreakevenQuestion, points: Sequence[BreakevenPoint]) -> BreakevenAnswer:
    return BreakevenAnswer(
        accelerator=question.accelerator, against=question.against, axis=question.axis, points=tuple(points)
    )
