"""The currency of what is printed: USD, or another at an exchange rate that the user states.

Everything is computed in USD, and JSON is in USD, as the names of its fields say. `output.print_table` converts the
columns of money; a sentence asks for `amount`. The choice is kept in click's context, from the options to the tables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import rich_click as click
from click.globals import get_current_context

USD = "USD"
KEY = "paretoken.currency"
LONGEST_CODE = 5


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


def currency() -> Currency:
    """The currency of the running command."""
    context = get_current_context(silent=True)
    stated: dict[str, Any] = context.meta.get(KEY, {}) if context else {}
    return Currency(stated["code"], stated["per_usd"]) if stated.get("code") else Currency()


def number_of(usd: float, spec: str = ".2f") -> str:
    """An amount in the currency, without its code: `2.39`."""
    return f"{usd * currency().per_usd:{spec}}"


def amount(usd: float, spec: str = ".2f") -> str:
    """An amount in the currency with its code: `2.39 EUR`."""
    return f"{number_of(usd, spec)} {currency().code}"


def take_code(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Keep --currency; an error if it is not a code, or has no rate."""
    code = value.strip().upper() if value is not None else None
    if code is not None and not (code.isalpha() and len(code) <= LONGEST_CODE):
        raise click.BadParameter(f"{value!r} is not the code of a currency, such as EUR.", ctx, param)
    _take(ctx, param, "code", None if code == USD else code)


def take_rate(ctx: click.Context, param: click.Parameter, value: float | None) -> None:
    """Keep --usd-rate; an error if it is not above 0, or has no currency."""
    if value is not None and not 0 < value < inf:
        raise click.BadParameter(f"{value:g} is not an exchange rate; it must be above 0.", ctx, param)
    _take(ctx, param, "per_usd", value)


def _take(ctx: click.Context, param: click.Parameter, name: str, value: object) -> None:
    """Keep one of the two options; the second one checks that neither is missing."""
    stated = ctx.meta.setdefault(KEY, {})
    stated[name] = value
    if len(stated) < 2 or (stated["code"] is None) == (stated["per_usd"] is None):
        return
    if stated["code"] is None:
        raise click.BadParameter("an exchange rate needs its currency; add --currency EUR.", ctx, param)
    raise click.BadParameter(
        f"give the exchange rate too: --usd-rate, {stated['code']} per USD. None is assumed.", ctx, param
    )
