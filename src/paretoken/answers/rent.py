"""What renting costs: the market on a day, one accelerator's prices over time, and the rows with quality flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, NoData
from paretoken.prices.market.cells import (
    MarketCell,
    availability,
    cells_at,
    checked_term,
    vendors_offered,
)
from paretoken.prices.market.decline import RentDecline, rent_decline_per_year
from paretoken.prices.market.history import Period, basket, index_of
from paretoken.prices.market.names import SERVED
from paretoken.prices.market.quality_flags import FlaggedRow, flag_counts, flagged_dicts, flagged_rows
from paretoken.prices.market.structure import ForwardRent, TermRatio, forwards, ratios, recent, term_rents
from paretoken.prices.market.terms import RENTED


@dataclass(frozen=True, kw_only=True)
class RentQuestion(MarketQuestion):
    """What the market rents at on a day: every accelerator, or one at every term."""

    accelerator: str | None = None
    terms: Annotated[
        tuple[str, ...], Field(description="On-demand for every accelerator, all terms for one, if empty")
    ] = ()
    forms: Annotated[tuple[str, ...], Field(description="SXM, PCIe, NVL, OAM; the served ones if empty")] = ()
    estimate_terms: Annotated[
        bool, Field(description="Estimate committed terms without a price from other accelerators' ratios")
    ] = False
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RentAnswer(TypedAnswer):
    """The market of one accelerator: its cells, what longer terms save, its term structure.

    A term without a price has an empty cell and no place in the term structure, unless terms are estimated;
    `ratios_to_on_demand` are what estimates rest on, and empty without them.
    """

    TABLE: ClassVar[str] = "cells"
    accelerator: str
    at: date
    cells: tuple[MarketCell, ...]
    ratios_to_on_demand: tuple[TermRatio, ...]
    forward_rents: tuple[ForwardRent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketAnswer(TypedAnswer):
    """The market of every accelerator: cells, providers by accelerator and term, providers by vendor."""

    TABLE: ClassVar[str] = "cells"
    at: date
    cells: tuple[MarketCell, ...]
    availability: tuple[Mapping[str, object], ...]
    providers_by_vendor: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class RentHistoryQuestion(MarketQuestion):
    """How did the rent of one accelerator change, as a chained price index by quarter?"""

    accelerator: str
    term: str = "on-demand"
    basket: Annotated[tuple[str, ...], Field(description="A fixed set of providers")] = ()
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RentHistoryAnswer(TypedAnswer):
    """The index by quarter; `basket` is the mean price of the fixed set of providers, by quarter.

    `decline` is the yearly change at the same sellers, of on-demand rents; None at any other term.
    """

    TABLE: ClassVar[str] = "periods"
    accelerator: str
    term: str
    periods: tuple[Period, ...]
    basket: dict[str, float | None]
    decline: RentDecline | None = None


@dataclass(frozen=True, kw_only=True)
class FlaggedPricesQuestion(MarketQuestion):
    """The rows of the price book that have a quality flag."""

    accelerator: str | None = None
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, slots=True)
class FlaggedPricesAnswer:
    """The rows with a quality flag, and how many rows each flag marks."""

    rows: tuple[FlaggedRow, ...]
    counts: dict[str, int]


@takes(RentQuestion)
def rent(question: RentQuestion, market: Market | None = None) -> RentAnswer:
    """The market of one accelerator at every term, or at the terms named."""
    market = market or Market.of(question, load_catalog(*question.catalog))
    name = _accelerator(market, question.accelerator)
    terms, estimate = [checked_term(t) for t in question.terms], question.estimate_terms
    cells = cells_at(market.book, [name], terms or RENTED, market.at, question.forms or SERVED)
    return RentAnswer(
        accelerator=name,
        at=market.at,
        cells=tuple(cells),
        ratios_to_on_demand=tuple(ratios(market.book, None, recent(market.at), market.at)) if estimate else (),
        forward_rents=tuple(forwards(term_rents(market.book, name, market.at, estimate=estimate))),
    )


@takes(RentQuestion)
def rental_market(question: RentQuestion, market: Market | None = None) -> MarketAnswer:
    """The market of every accelerator that anybody rents out, on demand or at the terms named."""
    market = market or Market.of(question, load_catalog(*question.catalog))
    terms = [checked_term(t) for t in question.terms] or ["on-demand"]
    offered = availability(market.book, market.at)
    return MarketAnswer(
        at=market.at,
        cells=tuple(cells_at(market.book, offered["accelerator"], terms, market.at)),
        availability=tuple(offered.to_dicts()),
        providers_by_vendor=providers_by_vendor(market),
    )


@takes(RentHistoryQuestion)
def rent_history(question: RentHistoryQuestion, market: Market | None = None) -> RentHistoryAnswer:
    """The price index of one accelerator by quarter; NoData if the book has no price of it at the term."""
    market = market or Market.of(question, load_catalog(*question.catalog))
    name, term = _accelerator(market, question.accelerator), checked_term(question.term)
    periods = index_of(market.book, name, term)
    if not periods:
        raise NoData(f"no {term} price of {name} in the price book; 'paretoken rent {name}' lists its prices")
    fixed = dict(basket(market.book, name, question.basket, term)) if question.basket else {}
    decline = rent_decline_per_year(market.book, name, market.at) if term == "on-demand" else None
    return RentHistoryAnswer(accelerator=name, term=term, periods=tuple(periods), basket=fixed, decline=decline)


def flagged_prices(question: FlaggedPricesQuestion, market: Market | None = None) -> FlaggedPricesAnswer:
    """The rows with a quality flag of all accelerators, or of one."""
    market = market or Market.of(question, load_catalog(*question.catalog))
    name = question.accelerator and _accelerator(market, question.accelerator)
    rows = flagged_rows(market.book, name or None)
    return FlaggedPricesAnswer(flagged_dicts(rows), flag_counts(rows))


def providers_by_vendor(market: Market) -> dict[str, int]:
    """How many providers rent out any accelerator of each vendor."""
    vendor_of = {key: a.vendor for key, a in market.catalog.accelerators.entries.items()}
    return vendors_offered(market.book, vendor_of, market.at)


def _accelerator(market: Market, name: str | None) -> str:
    if not name:
        raise BadConfig("name one accelerator, as in 'paretoken rent H100'")
    return market.catalog.accelerators.id_or_own(name, market.book["accelerator"])
