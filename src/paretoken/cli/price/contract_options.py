"""The options of contracts: own, reserve or rent by the hour."""

from __future__ import annotations

from typing import Any

import rich_click as click

from paretoken.cli import options


class Percent(click.ParamType[float]):
    """A share: `20%` or `0.20`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        number = text.removesuffix("%")
        try:
            share = float(number) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} is not a share; write 20% or 0.20.", param, ctx)
        if not -1 < share < 1:
            self.fail(f"{value} must be between -100 % and 100 %, as in 20%.", param, ctx)
        return share


class PriceOfTerm(click.ParamType[tuple[str, float]]):
    """`1-year=2.10`: a committed term and its price."""

    name = "term=usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        from paretoken.errors import UnknownName
        from paretoken.prices.market.terms import term_of

        term, _, usd = str(value).partition("=")
        try:
            return term_of(term), float(usd)
        except UnknownName as e:
            self.fail(f"{e}", param, ctx)
        except ValueError:
            self.fail(f"{value!r} is not a term with its price; write 1-year=2.10.", param, ctx)


def _by_term(_ctx: click.Context, _param: click.Parameter, value: tuple[tuple[str, float], ...]) -> dict[str, float]:
    return dict(value)


CONTRACT_OPTIONS = {
    "needed_share": "--needed",
    "reserved_usd": "--reserved",
    "price_decline": "--price-decline",
    "months": "--months",
    "estimate_terms": "--estimate-terms",
}
"""The options that only `--or-rent` reads, by parameter."""

contracts = options.stack(
    click.option(
        "--or-rent",
        is_flag=True,
        help="Compare owning, committing and renting by the hour, and show the turning points.",
    ),
    click.option(
        "--needed",
        "needed_share",
        type=options.Finite(),
        default=1.0,
        show_default=True,
        metavar="SHARE",
        help="With --or-rent: share of hours in which you need the GPU.",
    ),
    click.option(
        "--reserved",
        "reserved_usd",
        type=PriceOfTerm(),
        multiple=True,
        callback=_by_term,
        metavar="TERM=USD",
        help="With --or-rent: your price of a commitment, as in 1-year=2.10 (repeatable).",
    ),
    click.option(
        "--price-decline",
        type=Percent(),
        metavar="PERCENT",
        help="With --or-rent: yearly fall of rents, as in 20% (default: from the price history, else 0).",
    ),
    click.option(
        "--months",
        type=click.IntRange(1, 600),
        metavar="N",
        help="With --or-rent: horizon in months (default: the owner's life).",
    ),
    click.option(
        "--estimate-terms",
        is_flag=True,
        help="With --or-rent: estimate commitments without a price from the ratios of other accelerators.",
    ),
)
