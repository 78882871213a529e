"""The part that all questions about the rental market share, and the market that they are answered from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import Field

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.prices.market.book import price_book
from paretoken.prices.market.quality_flags import flagged
from paretoken.prices.market.structure import levelled


@dataclass(frozen=True, kw_only=True)
class MarketQuestion(Question):
    """Which rental prices answer, and on which day."""

    price_folders: Annotated[tuple[Path, ...], Field(description="Folders of your own rental prices")] = ()
    shipped_prices: Annotated[bool, Field(description="Use the shipped rental prices")] = True
    at: Annotated[date | None, Field(description="The market of that day; by default that of as_of, else today's")] = (
        None
    )
    cost_of_capital: Annotated[
        float, Field(description="A year, 0.10 for 10 %: raises the level rent of what is paid upfront")
    ] = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Market:
    """The rental market of one day: a price book with its quality flags, and the day it is read on."""

    catalog: Catalog
    book: pl.DataFrame
    at: date

    @classmethod
    def of(cls, question: MarketQuestion, catalog: Catalog) -> Market:
        """The market that a question names: its folders, the shipped prices, its day."""
        rate = question.cost_of_capital
        if not 0 <= rate <= 2:
            raise BadConfig(f"the cost of capital is {rate:g} a year; give 0 to 2, as in 0.10 for 10 %")
        book = flagged(price_book(question.price_folders, shipped=question.shipped_prices), catalog)
        return cls(catalog, levelled(book, rate), question.at or _as_of(question) or datetime.now().astimezone().date())


def _as_of(question: MarketQuestion) -> date | None:
    """The day of the points, for a question about both."""
    return question.as_of if isinstance(question, BundlesQuestion) else None


def rental_prices(question: MarketQuestion | None = None, catalog: Catalog | None = None) -> pl.DataFrame:
    """The price book that a question names, by default the shipped prices, with a column of quality flags."""
    return Market.of(question or MarketQuestion(), catalog or load_catalog()).book
