"""The rental market of a question: whose prices count, of which day, and what money paid upfront costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.prices.market.book import price_book
from paretoken.prices.market.cells import day_of
from paretoken.prices.market.structure import levelled
from paretoken.prices.market.traps import flagged


@dataclass(frozen=True, kw_only=True)
class MarketQuestion(Question):
    """The part that all questions about market rents share."""

    prices: Annotated[tuple[Path, ...], Field(description="Folders of your own rental prices")] = ()
    shipped_prices: Annotated[bool, Field(description="Use the shipped rental prices")] = True
    at: Annotated[date | None, Field(description="Day of the market; today by default")] = None
    cost_of_capital: Annotated[float, Field(description="A year; what a rent paid upfront costs more")] = 0.0

    def day(self) -> date:
        """The day of the market; BadConfig if it lies in the future."""
        return day_of(self.at.isoformat() if self.at else None, datetime.now().astimezone().date())

    def price_book(self, catalog: Catalog) -> pl.DataFrame:
        """The prices with their flags; what is paid upfront counts at the cost of capital."""
        if not 0 <= self.cost_of_capital <= 2:
            raise BadConfig(f"the cost of capital is {self.cost_of_capital:g} a year; give 0 to 2, as in 0.10 for 10 %")
        return levelled(flagged(price_book(self.prices, shipped=self.shipped_prices), catalog), self.cost_of_capital)
