"""The currency of what is printed: USD, or another at an exchange rate that the user states.

Everything is computed in USD, and JSON is in USD, as the names of its fields say. `output.print_table` converts the
columns of money; a sentence asks for `amount`. The choice is kept in click's context, from the options to the tables.
"""

from __future__ import annotations

from math import inf
from typing import Any

import rich_click as click
from click.globals import get_current_context

from paretoken.answers.currency import USD, Currency
from paretoken.cli.cells import TableCell, figure

KEY = "paretoken.currency"
LONGEST_CODE = 5


def currency() -> Currency:
    """The currency of the running command."""
    context = get_current_context(silent=True)
    stated: dict[str, Any] = context.meta.get(KEY, {}) if context else {}
    return Currency(stated["code"], stated["per_usd"]) if stated.get("code") else Currency()


def number_of(usd: float, spec: str = ".2f") -> str:
    """An amount in the currency, without its code: `2.39`."""
    return currency().number(usd, spec)


def amount(usd: float, spec: str = ".2f") -> str:
    """An amount in the currency with its code: `2.39 EUR`."""
    return currency().amount(usd, spec)


def money_figure(usd: float | None, spec: str) -> TableCell | None:
    """An amount in the currency as a cell of a table, in its own format."""
    return figure(currency().of(usd), spec)


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
