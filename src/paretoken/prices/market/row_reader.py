"""One row of a foreign price list, read and checked column by column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TypeAlias

from paretoken.catalog.loader import Catalog
from paretoken.errors import RowError, UnknownName
from paretoken.prices.market.mapping import ColumnMapping
from paretoken.prices.market.names import FORMS, accelerator_of
from paretoken.prices.market.terms import term_of

CURRENCIES = (
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "CHF",
    "CAD",
    "AUD",
    "INR",
    "CNY",
    "KRW",
    "SGD",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "BRL",
)
_STATISTICS = ("offer", "min", "mean", "median", "max", "index")
Record: TypeAlias = Mapping[str, object]
"""A row as a source writes it."""


LARGEST = 1e9
"""No price, memory or count is as large."""


class RowReader:
    """Reads the records of one file; what is wrong is collected in `errors`."""

    def __init__(
        self, path: Path, columns: Mapping[str, str], mapping: ColumnMapping, catalog: Catalog, today: date
    ) -> None:
        self.path, self.columns, self.mapping, self.catalog, self.today = path, columns, mapping, catalog, today
        self.errors: list[RowError] = []

    def row(self, number: int, record: Record) -> list[object] | None:
        """One checked row in the order of the schema; None where a required value is missing."""
        stated = {n: v for n, theirs in self.columns.items() if (v := record.get(theirs)) not in ("", None)}
        cells = _RowCells(self, number, {**self.mapping.constants, **stated})
        if cells.lacks("provider", "accelerator", "term", "date"):
            return None
        price, rate, day = cells.price(), cells.rate(), cells.day()
        stated_gb = cells.number("memory_gb")
        name, form, memory = accelerator_of(
            cells.required("accelerator"),
            self.catalog,
            f"{cells.text('instance') or ''} {cells.text('source') or ''}",
            stated_gb,
        )
        form = cells.form(form)
        statistic, term = cells.statistic(), cells.term()
        upfront, count = cells.upfront_share(), cells.count()
        return [
            cells.required("provider"),
            cells.text("region"),
            cells.text("instance"),
            name,
            form,
            stated_gb or memory,
            count,
            term,
            statistic,
            upfront,
            price,
            cells.currency(),
            None if price is None or rate is None else price * rate,
            day,
            cells.text("source") or self.path.name,
            cells.text("licence"),
            cells.text("quality") or "ok",
        ]


class _RowCells:
    """The values of one record, each read and checked by the rule of its column."""

    def __init__(self, reader: RowReader, number: int, values: Record) -> None:
        self.reader, self.row_number, self.values = reader, number, values

    def wrong(self, column: str, why: str) -> None:
        value = str(self.values.get(column, ""))
        self.reader.errors.append(RowError(str(self.reader.path), self.row_number, column, value, why))

    def lacks(self, *columns: str) -> bool:
        """Whether one of the columns has no value; the first such is an error."""
        for column in columns:
            if not self.required(column).strip():
                self.wrong(column, "is missing")
                return True
        return False

    def required(self, column: str) -> str:
        return str(self.values.get(column, ""))

    def text(self, column: str) -> str | None:
        return None if self.values.get(column) is None else str(self.values[column])

    def number(self, column: str, *, nan: bool = False) -> float | None:
        """A finite number, or NaN where that is let through."""
        if self.values.get(column) is None:
            return None
        try:
            value = float(str(self.values[column]))
        except ValueError:
            self.wrong(column, "is not a number")
            return None
        if not math.isfinite(value) and not (nan and math.isnan(value)):
            self.wrong(column, "is not a finite number")
            return None
        if abs(value) > LARGEST:
            self.wrong(column, "is too large")
            return None
        return value

    def price(self) -> float | None:
        """The price; 0 and NaN are kept and get a quality flag, a negative or infinite one is a mistake."""
        value = self.number("price", nan=True)
        if value is not None and value < 0:
            self.wrong("price", "is negative; a price is 0 or more")
        return value

    def currency(self) -> str:
        return str(self.values.get("currency", "USD")).upper()

    def rate(self) -> float | None:
        """USD per unit of the row's currency."""
        currency = self.currency()
        if currency == "USD":
            return 1.0
        if currency not in CURRENCIES:
            self.wrong("currency", f"is an unknown currency; known: {', '.join(CURRENCIES)}")
            return None
        rate = self.reader.mapping.rates.get(currency)
        if rate is None or not 0 < rate < math.inf:
            self.wrong("currency", f"has no rate; give USD per {currency} under [rates] in the mapping")
            return None
        return rate

    def day(self) -> date | None:
        try:
            day = date.fromisoformat(self.required("date")[:10])
        except ValueError:
            self.wrong("date", "is not a date; write YYYY-MM-DD")
            return None
        if day > self.reader.today:
            self.wrong("date", f"is in the future (today is {self.reader.today})")
        return day

    def form(self, from_name: str) -> str:
        form = self.text("form") or from_name
        if form and form not in FORMS:
            self.wrong("form", f"is not a form; known: {', '.join(FORMS)}")
        return form

    def statistic(self) -> str:
        statistics = self.reader.mapping.statistics
        statistic = statistics.get(self.required("term"), str(self.values.get("statistic", "offer")))
        if statistic not in _STATISTICS:
            self.wrong("statistic", f"is none of {', '.join(_STATISTICS)}")
        return statistic

    def term(self) -> str | None:
        written = self.required("term")
        try:
            return term_of(self.reader.mapping.terms.get(written, written))
        except UnknownName as e:
            self.wrong("term", f"is not a rental term: {e}")
            return None

    def upfront_share(self) -> float:
        share = self.number("upfront_share") or 0.0
        if not 0 <= share <= 1:
            self.wrong("upfront_share", "must be between 0 and 1")
        return share

    def count(self) -> int | None:
        count = self.number("count")
        if count is not None and count < 1:
            self.wrong("count", "must be 1 or more")
        return None if count is None else int(count)
