"""The currency in which a sentence or a table states money: USD, or another at a stated exchange rate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

USD = "USD"


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and how many units of it a USD buys."""

    code: str = USD
    per_usd: float = 1.0

    @property
    def note(self) -> str:
        """The rate in words; nothing for USD."""
        return "" if self.code == USD else f"{self.code} at {self.per_usd:g} {self.code} per USD, as stated"

    @property
    def sign(self) -> str:
        """The text before the slash in `$/GPU-h`."""
        return "$" if self.code == USD else self.code

    def of(self, usd: float | None) -> float | None:
        """An amount in the currency; None stays None."""
        return None if usd is None else usd * self.per_usd

    def number(self, usd: float, spec: str = ".2f") -> str:
        """An amount in the currency, without its code: `2.39`."""
        return f"{usd * self.per_usd:{spec}}"

    def amount(self, usd: float, spec: str = ".2f") -> str:
        """An amount in the currency with its code: `2.39 EUR`."""
        return f"{self.number(usd, spec)} {self.code}"

    def renamed(self, text: str) -> str:
        """The text with the currency in place of `$` and `USD`."""
        return text if self.code == USD else text.replace("$", self.code).replace(USD, self.code)

    def names(self, *texts: str) -> bool:
        """Whether a text has the code of a currency that is not USD."""
        return self.code != USD and any(re.search(rf"\b{self.code}\b", text) for text in texts)

    def column(self, title: str, cells: Sequence[Any]) -> tuple[str, list[Any]]:
        """A column of a table in the currency: its title and cells; unchanged if it is not of money.

        Money is a column with `$` or `USD` in its title and numbers in its cells, or words where there is none.
        """
        numbers = [isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells]
        words = [cell is None or not any(map(str.isdigit, str(cell))) for cell in cells]
        money = ("$" in title or USD in title) and all(n or w for n, w in zip(numbers, words, strict=True))
        if self.code == USD or not money:
            return title, list(cells)
        converted = [c * self.per_usd if n else c for c, n in zip(cells, numbers, strict=True)]
        return self.renamed(title), converted


IN_USD = Currency()
