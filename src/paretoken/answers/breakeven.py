"""`breakeven`: the rent at which the tokens of two accelerators cost the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from paretoken.answers.bounds import asks_both, best_known
from paretoken.answers.latency import ids, selection
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.market_terms import MarketTerm, market_terms
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.plot import LATENCY_COLUMN, PlotAxes, over_latency
from paretoken.answers.points import AxisQuestion, Data
from paretoken.answers.rent_curve import NEVER, BreakevenPoint, rent_curve
from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import BadConfig, NoData
from paretoken.frontier.verdict import CurveGrid, curve_grid
from paretoken.points.selection import Axis, Serving, Speculative
from paretoken.prices.owner.layers import read_set
from paretoken.prices.owner.price import owner_inputs, owner_tariff
from paretoken.significant import significant

Operator = Literal["hyperscaler", "neocloud", "enterprise"]


@dataclass(frozen=True, kw_only=True)
class BreakevenQuestion(AxisQuestion, MarketQuestion, PricesQuestion):
    """At which rent do the tokens of `accelerator` cost as much as those of `against`, at every latency limit?

    There is one basis: a stated `rent_usd` of `against`, the cost of both to an `operator` who owns them, or the
    rental `market` at all terms or those named. On the market, a `rent_usd` replaces the rents of `against`. Your own
    price of `against` is its rent; that of `accelerator` is compared with the break-even rent.
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
        if self.rent_usd is None and not self.price_usd_per_gpu_h and not (self.market or self.operator):
            bases = f"--rent, --price {self.against}=USD, --market or --operator"
            raise BadConfig(f"the rent of {self.against} is missing; give {bases}")
        if self.terms and not self.market:
            raise BadConfig("--term is a rental term of the market; give --market too")
        if (self.market and self.operator) or (self.operator and self.rent_usd is not None):
            raise BadConfig("give one basis: --rent, --market (with or without --rent), or --operator")
        if self.rent_usd is not None and not 0 < self.rent_usd < inf:
            raise BadConfig(f"the rent of {self.against} is {self.rent_usd} USD per GPU-hour; it must be above 0")
        if not self.switching_usd >= 0 or not self.hours > 0:
            raise BadConfig(
                f"a switching cost of {self.switching_usd:g} USD over {self.hours:g} h; "
                "give 0 USD or more over hours above 0"
            )

    def with_own_rent(self, own: Mapping[str, float]) -> BreakevenQuestion:
        """The question with the own price of `against` as its rent; BadConfig if it states two, or none is left."""
        price = own.get(self.against)
        if price is not None and self.rent_usd is not None:
            raise BadConfig(f"--rent and --price both state the rent of {self.against}; give one of them")
        rent_usd = self.rent_usd if price is None else price
        if rent_usd is None and not (self.market or self.operator):
            raise BadConfig(f"the rent of {self.against} is missing; give --rent or --price {self.against}=USD")
        return self if self.operator else replace(self, rent_usd=rent_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedBreakevenPoint(BreakevenPoint):
    """A break-even rent beside the cost of the accelerator: to its owner, or at your own price."""

    cost_usd_per_gpu_h: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakevenAnswer(TypedAnswer):
    """The break-even rent over latency.

    With a stated rent or an owner, the answer is in `points`, and `range_usd_per_gpu_h` goes from the lowest to the
    highest of their rents. With the market, it is in `values`, the latencies in the axis' own unit, and in `terms`,
    which gives for each rental term the break-even rent at each latency. `days_apart`, `withheld` and `acceptance` are
    by latency, as in `BreakevenPoint`. Ranges leave out what is withheld, and what lies beyond the data of one of the
    two (`data_end`). `note` explains rents of 0 or below. `unmet` says why there is no rent at all. `best_known` is
    the same answer for any serving, where the question leaves the serving at plain.
    """

    accelerator: str
    against: str
    axis: Axis
    serving: Serving
    speculative: Speculative
    range_usd_per_gpu_h: tuple[float, float] | None = None
    points: tuple[PricedBreakevenPoint | BreakevenPoint, ...] = ()
    values: tuple[float, ...] = ()
    days_apart: tuple[int | None, ...] = ()
    withheld: tuple[str | None, ...] = ()
    acceptance: tuple[str | None, ...] = ()
    data_end: tuple[str | None, ...] = ()
    terms: tuple[MarketTerm, ...] = ()
    note: str | None = None
    unmet: str | None = None
    best_known: BreakevenAnswer | None = None

    @property
    def sentence(self) -> str:
        """`Tokens of MI300X cost what those of H200 do at a rent of 0.8 to 1.2 USD per GPU-hour`."""
        if self.unmet:
            return self.unmet
        tokens = f"Tokens of {self.accelerator} cost what those of {self.against} do"
        if self.range_usd_per_gpu_h is None:
            return f"{tokens} at the rents below, by rental term and latency"
        low, high = (significant(usd, 3) for usd in self.range_usd_per_gpu_h)
        return f"{tokens} at a rent of {low}{f' to {high}' if high != low else ''} USD per GPU-hour"

    def rows_of_table(self) -> list[Row]:
        """One row a latency, and with the market a latency and term; the latency under the name of its column."""
        latency = LATENCY_COLUMN[self.axis]
        if not self.terms:
            return [{latency if n == "value" else n: v for n, v in r.items()} for r in flat_rows(self.points, {})]
        sides = {"accelerator": self.accelerator, "against": self.against}
        return [
            {**sides, **row, latency: value, "break_even_usd_per_gpu_h": usd}
            for term, row in zip(self.terms, flat_rows(self.terms, {}), strict=True)
            for value, usd in zip(self.values, term.break_even_usd_per_gpu_h, strict=True)
        ]

    def plot_axes(self) -> PlotAxes:
        label = "{term}" if self.terms else "{accelerator} against {against}"
        return over_latency(self.axis, "break_even_usd_per_gpu_h", "Break-even rent (USD per GPU-hour)", label)


@takes(BreakevenQuestion)
def breakeven(question: BreakevenQuestion, data: Data | None = None, market: Market | None = None) -> BreakevenAnswer:
    """The rent at which `accelerator` has the token cost of `against`, over latency, on the question's basis.

    NoData, with the reason, if either has no curve in any of the servings asked for.
    """
    question.check()
    data = data or Data.of(question)
    b, a = ids(data.catalog.accelerators, (question.accelerator, question.against), data.accelerators)
    own = question.own_prices(data.catalog, data.accelerators)
    question = replace(question, accelerator=b, against=a, accelerators=(a, b), price_usd_per_gpu_h=own)
    question = question.with_own_rent(own)
    if question.market:
        market = market or Market.of(question, data.catalog)
    answer = _of_serving(question, data, market)
    if asks_both(question):
        answer = replace(answer, best_known=_of_serving(best_known(question), data, market))
    of_any = answer.best_known or answer
    if answer.unmet and of_any.unmet:
        raise NoData(f"{b} and {a} have no latency in common: {of_any.unmet}")
    return answer


def _of_serving(question: BreakevenQuestion, data: Data, market: Market | None) -> BreakevenAnswer:
    """The answer of the question's own serving; with the reason if one of the two has no curve."""
    answer = BreakevenAnswer(
        accelerator=question.accelerator,
        against=question.against,
        axis=question.axis,
        serving=question.serving,
        speculative=question.speculative,
    )
    chosen = selection(question, data)
    absent = data.absences(chosen, question.axis, (question.accelerator, question.against))
    if absent:
        return replace(answer, unmet="; ".join(f"{name}: {reason}" for name, reason in absent.items()))
    grid = curve_grid(data.curves(chosen, question.axis), order=data.hardware_order)
    if question.market and market:
        return _on_the_market(answer, question, grid, market)
    points = _priced(question, grid, data)
    rents = [p.break_even_usd_per_gpu_h for p in points if p.settled]
    return replace(
        answer,
        points=tuple(points),
        range_usd_per_gpu_h=(min(rents), max(rents)) if rents else None,
        note=_note([p.break_even_usd_per_gpu_h for p in points]),
    )


def _on_the_market(
    answer: BreakevenAnswer, question: BreakevenQuestion, grid: CurveGrid, market: Market
) -> BreakevenAnswer:
    """At a rent of 1 the break-even rent is the ratio of the throughputs, to which every term's rent is applied."""
    curve = _curve(replace(question, switching_usd=0.0), grid, 1.0)
    terms = market_terms(
        market,
        accelerator=question.accelerator,
        against=question.against,
        rent_usd=question.rent_usd,
        price_usd=question.price_usd_per_gpu_h.get(question.accelerator),
        terms=question.terms,
        ratio=[p.break_even_usd_per_gpu_h for p in curve],
        withheld=[p.withheld or p.data_end for p in curve],
        switching_usd_per_h=question.switching_usd / question.hours,
    )
    return replace(
        answer,
        values=tuple(p.value for p in curve),
        days_apart=tuple(p.days_apart for p in curve),
        withheld=tuple(p.withheld for p in curve),
        acceptance=tuple(p.acceptance for p in curve),
        data_end=tuple(p.data_end for p in curve),
        terms=tuple(terms),
        note=_note([usd for term in terms for usd in term.break_even_usd_per_gpu_h]),
    )


def _priced(question: BreakevenQuestion, grid: CurveGrid, data: Data) -> tuple[BreakevenPoint, ...]:
    """The break-even rents, beside the cost of the accelerator to its owner or its own price if it has either."""
    names, own = (question.accelerator, question.against), question.price_usd_per_gpu_h
    prices, basis = dict(own), "your price"
    if question.operator:
        owned = owner_tariff(owner_inputs(data.catalog, question.operator, names, [read_set(s) for s in question.sets]))
        prices, basis = owned.usd_per_gpu_h | prices, owned.name if question.accelerator not in own else basis
    curve = _curve(question, grid, question.rent_usd or prices[question.against])
    price = prices.get(question.accelerator)
    if price is None:
        return curve
    return tuple(PricedBreakevenPoint(**asdict(p), cost_usd_per_gpu_h=price, basis=basis) for p in curve)


def _curve(question: BreakevenQuestion, grid: CurveGrid, rent_usd: float) -> tuple[BreakevenPoint, ...]:
    """The break-even rents less the switching cost per hour."""
    per_hour = question.switching_usd / question.hours
    curve = rent_curve(grid, question.axis, question.accelerator, question.against, rent_usd)
    rents = (p.break_even_usd_per_gpu_h - per_hour for p in curve)
    return tuple(
        replace(p, break_even_usd_per_gpu_h=usd, note=NEVER if usd <= 0 else None)
        for p, usd in zip(curve, rents, strict=True)
    )


def _note(rents_usd: Sequence[float]) -> str | None:
    """What rents of 0 or below mean, and how many there are; None if there are none."""
    below = sum(usd <= 0 for usd in rents_usd)
    if not below:
        return None
    return NEVER if below == len(rents_usd) else f"at {below} of {len(rents_usd)} limits {NEVER}"
