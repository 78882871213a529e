"""Which accelerator, engine and procurement option each buyer segment should choose."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from paretoken.answers.bounds import asks_both, best_known
from paretoken.answers.buyers import BUYER_SEGMENTS, Advice, Procurement
from paretoken.answers.buyers import advise as advise_segments
from paretoken.answers.latency import LatencyQuestion, nothing_within, selection
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.loader import Catalog
from paretoken.errors import NoData
from paretoken.frontier import verdict_at
from paretoken.plural import counted
from paretoken.points.selection import Axis, Serving, Speculative
from paretoken.prices.fleet import utility_power
from paretoken.prices.market.cells import FEWEST, MarketCell, availability, cell_at
from paretoken.prices.market.prices import market_tariff
from paretoken.prices.owner.layers import FigureSet, operators, read_sets
from paretoken.prices.owner.price import owner_inputs, owner_tariff
from paretoken.prices.tariff import Tariff, newest_set_with, tariff

RENTAL_TERMS = {
    "enterprise": ("1-year", "2-year", "3-year"),
    "team": ("spot", "on-demand", "1-month", "3-6-month"),
}


@dataclass(frozen=True, slots=True)
class SurveyedTier:
    """A published rental tier of a segment, and the market's terms that compare with it."""

    tier: str
    terms: tuple[str, ...]


SURVEYED = {
    "enterprise": SurveyedTier("rent-3yr", ("3-year",)),
    "team": SurveyedTier("rent-retail", ("on-demand", "1-month", "3-6-month")),
}
"""If the market has a median at one of the terms, the surveyed price of the accelerator is not ranked."""


@dataclass(frozen=True, kw_only=True)
class AdviseQuestion(LatencyQuestion, MarketQuestion, PricesQuestion):
    """Rank accelerator, engine and procurement option for every buyer segment within latency limits.

    Your own price of an accelerator replaces every option that a segment has for it.
    """

    sets: Annotated[
        tuple[str | Mapping[str, object], ...],
        Field(description="Owner's figures: shipped set names, TOML files or tables, later ones on top"),
    ] = ()
    serving_load: Annotated[float, Field(description="Share of hours served at the throughput", gt=0, le=1)] = 1.0
    mw: Annotated[float | None, Field(description="Power limit of an owner's fleet at the utility's meter, MW")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviseAnswer(TypedAnswer):
    """The advice for every buyer segment; `value` is in the axis' own unit, None if only other latencies are limited.

    `unmet` says that no point meets the limits, and which comes nearest. `best_known` is the same answer for any
    serving, where the question leaves the serving at plain.
    """

    axis: Axis
    value: float | None
    limits: str
    serving: Serving
    speculative: Speculative
    segments: tuple[Advice, ...]
    unmet: str | None = None
    best_known: AdviseAnswer | None = None

    def rows_of_table(self) -> list[Row]:
        """One row a choice, the best of a segment first."""
        return [{"segment": s.segment, **row} for s in self.segments for row in flat_rows(s.choices, {})]


@takes(AdviseQuestion)
def advise(question: AdviseQuestion, data: Data | None = None, market: Market | None = None) -> AdviseAnswer:
    """The advice for every buyer segment for one model, workload and latency; NoData if no point meets the limits."""
    data = data or Data.of(question)
    market = market or Market.of(question, data.catalog)
    own_sets = read_sets(question.sets)
    answer = _of_serving(question, data, market, own_sets)
    if asks_both(question):
        answer = replace(answer, best_known=_of_serving(best_known(question), data, market, own_sets))
    of_any = answer.best_known or answer
    if answer.unmet and of_any.unmet:
        raise NoData(of_any.unmet)
    return answer


def _of_serving(question: AdviseQuestion, data: Data, market: Market, own_sets: Sequence[FigureSet]) -> AdviseAnswer:
    """The advice of the question's own serving; segments without choices if no point meets the limits."""
    limit, chosen = question.limit(), selection(question, data)
    candidates = data.candidates(chosen, limit.axis, limit.latency_s)
    names = list(dict.fromkeys(c.accelerator for c in candidates))
    rents, _ = market_tariff(market.book, "on-demand", market.at, names)
    advice = advise_segments(
        candidates,
        with_own_prices(
            procurement_options(market, names, own_sets), question.own_prices(data.catalog, data.accelerators)
        ),
        lambda tokens_per_usd: verdict_at(
            data.curves(chosen, limit.axis), limit.latency_s, tokens_per_usd, data.hardware_order
        ),
        question.serving_load,
        rents.usd_per_gpu_h,
        question.mw,
    )
    return AdviseAnswer(
        axis=limit.axis,
        value=limit.value,
        limits=limit.text,
        serving=question.serving,
        speculative=question.speculative,
        segments=tuple(advice),
        unmet=None if candidates else nothing_within(limit, chosen, data),
    )


def procurement_options(
    market: Market, accelerators: Sequence[str], own_sets: Sequence[FigureSet] = ()
) -> list[Procurement]:
    """Every option of every segment: owned bottom up, rented on the market, rented at surveyed prices.

    A surveyed price is ranked only where the market has none at a comparable term.
    """
    owned = [_owned(market.catalog, operator, own_sets) for operator in operators()]
    rented = [_rented(market, segment, t, accelerators) for segment, terms in RENTAL_TERMS.items() for t in terms]
    surveyed = [_surveyed(market, segment, of) for segment, of in SURVEYED.items()]
    return [*owned, *rented, *(p for p in surveyed if p)]


def with_own_prices(options: Sequence[Procurement], own: Mapping[str, float]) -> list[Procurement]:
    """The options, with an own price as the only option of its accelerator in every segment.

    Its power is that of the segment's owner, if the segment has one.
    """
    if not own:
        return list(options)
    others = [replace(p, tariff=_without(p.tariff, own)) for p in options]
    power = {p.segment: p.utility_kw for p in options if p.utility_kw}
    tariff_of_all, basis = _stated(own), dict.fromkeys(own, "your price")
    stated = (
        Procurement(segment.key, "your price", tariff_of_all, basis, utility_kw=power.get(segment.key, {}))
        for segment in BUYER_SEGMENTS
    )
    return [*others, *stated]


def _stated(own: Mapping[str, float]) -> Tariff:
    return Tariff(
        price_set="own",
        tier="stated",
        name="Own prices",
        usd_per_gpu_h=dict(own),
        kw_per_gpu={},
        kw_basis="",
        source="own prices",
        date="",
        own_prices=tuple(own),
    )


def _without(tariff: Tariff, accelerators: Container[str]) -> Tariff:
    others = {name: usd for name, usd in tariff.usd_per_gpu_h.items() if name not in accelerators}
    return replace(tariff, usd_per_gpu_h=others)


def _owned(catalog: Catalog, operator: str, own_sets: Sequence[FigureSet]) -> Procurement:
    price = owner_tariff(owner_inputs(catalog, operator, None, own_sets))
    basis = {
        a: "capital implied from published cost" if a in price.placeholders else "public capital"
        for a in price.usd_per_gpu_h
    }
    return Procurement(operator, "own", price, basis, utility_kw=utility_power(price).kw_per_gpu)


def _rented(market: Market, segment: str, term: str, accelerators: Sequence[str]) -> Procurement:
    price, cells = market_tariff(market.book, term, market.at, accelerators)
    return Procurement(segment, f"rent, {term}", price, {a: c.evidence for a, c in cells.items()})


def _surveyed(market: Market, segment: str, of: SurveyedTier) -> Procurement | None:
    """Surveyed rents of the newest price set that has the tier, each compared with the market."""
    newest = newest_set_with(market.catalog, of.tier)
    if newest is None:
        return None
    price = tariff(market.catalog, newest, of.tier)
    offered = dict(availability(market.book, market.at).select("accelerator", "any").iter_rows())
    cells = {a: [cell_at(market.book, a, term, market.at) for term in of.terms] for a in price.usd_per_gpu_h}
    return Procurement(
        segment,
        f"{price.name.lower()}, survey",
        price,
        {a: f"survey, TCO set {newest}; {_on_the_market(cells[a], usd)}" for a, usd in price.usd_per_gpu_h.items()},
        {a: _renting_it_out(offered.get(a, 0)) for a in cells if offered.get(a, 0) < FEWEST},
        unranked=frozenset(a for a, of_a in cells.items() if any(c.median_usd_per_gpu_h is not None for c in of_a)),
    )


def _on_the_market(cells: Sequence[MarketCell], usd: float) -> str:
    """At each term that anyone offers, the median and how many providers are at or below the price."""
    offered = [c for c in cells if c.offers]
    if not offered:
        return f"no market price at {', '.join(c.term for c in cells)}"
    return "; ".join(f"{c.term}: {_median(c)}, {_at_or_below(c, usd)}" for c in offered)


def _median(cell: MarketCell) -> str:
    usd = cell.median_usd_per_gpu_h
    return "too few providers for a median" if usd is None else f"market median {usd:.4g} USD"


def _at_or_below(cell: MarketCell, usd: float) -> str:
    count = sum(o.usd_per_gpu_h <= usd for o in cell.offers)
    return f"{count or 'none'} of {counted(cell.providers, 'provider')} at or below it"


def _renting_it_out(count: int) -> str:
    return f"{count or 'no'} {'providers rent' if count > 1 else 'provider rents'} it out"
