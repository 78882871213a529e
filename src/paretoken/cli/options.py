"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from paretoken.errors import BadConfig

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def stack(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order given."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class Finite(click.FloatRange):
    """A number that is neither NaN nor infinite, within bounds if any are given."""

    name = "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        return "" if self.min is None and self.max is None else super()._describe_range()


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
catalog_folders = click.option(
    "--catalog",
    "catalog_folders",
    multiple=True,
    type=Path,
    metavar="DIR",
    help="Folder laid over the catalog (repeatable).",
)


def _what(required: bool) -> Decorator:
    return stack(
        click.option("--model", required=required, help="Model, by any name the catalog knows."),
        click.option("--precision", help="fp4, fp8, bf16, int4; may be left out if there is only one."),
        click.option("--workload", help="Workload of the catalog (chat, 8k/1k, …) or ISL/OSL in tokens."),
        click.option("--isl", type=click.IntRange(1), help="Nominal input length, tokens."),
        click.option("--osl", type=click.IntRange(1), help="Nominal output length, tokens."),
    )


what = _what(True)
what_if = _what(False)

latency = stack(
    click.option("--e2e", "e2e_s", type=Finite(), metavar="S", help="End-to-end latency of one request, s."),
    click.option("--interactivity", type=Finite(), metavar="X", help="Tokens per second that one user sees."),
)

market = stack(
    click.option(
        "--prices", "price_folders", multiple=True, type=Path, metavar="DIR", help="Own rental prices (repeatable)."
    ),
    click.option("--no-shipped-prices", is_flag=True, help="Leave the shipped rental prices out."),
    click.option("--at", "at", metavar="DATE", help="The market of that day; today by default."),
    click.option(
        "--cost-of-capital",
        type=Finite(),
        default=0.0,
        metavar="R",
        help="A year, 0.10 for 10 %: what a rent paid upfront costs more.",
    ),
)

which = stack(
    click.option("--engine", "engines", multiple=True, help="Only this engine (repeatable)."),
    click.option("--origin", "origins", multiple=True, help="Only points of this origin (repeatable)."),
    click.option(
        "--serving",
        type=click.Choice(["single-node", "any"]),
        default="single-node",
        show_default=True,
        help="any: also disaggregated and multi-node serving.",
    ),
    click.option(
        "--speculative",
        type=click.Choice(["none", "any"]),
        default="none",
        show_default=True,
        help="any: also speculative decoding.",
    ),
    click.option("--include-suspicious", "suspicious", is_flag=True, help="Let flagged rows into the frontiers."),
    click.option(
        "--points", "files", multiple=True, type=Path, metavar="FILE", help="Own results or points (repeatable)."
    ),
    click.option("--no-published", is_flag=True, help="Leave the shipped published points out."),
    catalog_folders,
)

accelerators = click.option("--accelerator", "accelerators", multiple=True, help="Only this accelerator (repeatable).")
axis = click.option("--axis", type=click.Choice(["e2e", "interactivity"]), default="e2e", show_default=True)
tco = stack(
    click.option("--tco", help="TCO set; the newest by default."),
    click.option("--tier", help="Tier of the TCO set; its first by default."),
)
serving_load = click.option(
    "--serving-load",
    type=Finite(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of hours in which the GPU serves at that throughput.",
)


def asked(
    model: str,
    precision: str | None,
    workload: str | None,
    isl: int | None,
    osl: int | None,
    files: tuple[Path, ...],
    no_published: bool,
    catalog_folders: tuple[Path, ...],
    **choice: Any,
) -> dict[str, Any]:
    """The shared options as the keyword arguments of the functions in `paretoken.answers.api`."""
    from paretoken.answers import api
    from paretoken.catalog.loader import load_catalog

    catalog = load_catalog(*catalog_folders)
    if workload and (isl or osl):
        raise BadConfig("give --workload, or --isl and --osl, not both")
    if workload:
        chosen = catalog.workload(workload)
        isl, osl = chosen.isl, chosen.osl
    if not isl or not osl:
        raise BadConfig("the lengths are missing; give --isl and --osl, or --workload chat")
    table = api.load_points(files, published=not no_published, catalog=catalog)
    shared = {"model": model, "precision": precision, "isl": isl, "osl": osl, "catalog": catalog, "of": table}
    return shared | {k: v or None for k, v in choice.items()}


def of_market(values: dict[str, Any]) -> dict[str, Any]:
    """The values of the market options, taken out of a command's."""
    return {name: values.pop(name) for name in ("price_folders", "no_shipped_prices", "at", "cost_of_capital")}


def price_book(
    catalog: Any, price_folders: tuple[Path, ...], no_shipped_prices: bool, at: str | None, cost_of_capital: float
) -> dict[str, Any]:
    """The market options as the keyword arguments of the functions in `paretoken.answers.money`."""
    from paretoken.answers import money
    from paretoken.prices.market.cells import day_of

    day = day_of(at, today())
    shipped = not no_shipped_prices
    return {
        "book": money.rental_prices(price_folders, shipped=shipped, cost_of_capital=cost_of_capital, catalog=catalog),
        "at": day,
    }


def iso_day(text: str | None) -> str | None:
    """The value of --date as YYYY-MM-DD; BadConfig if it is no day."""
    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError as e:
        raise BadConfig(f"--date is {text!r}; write it as 2026-05-01") from e


def given(name: str) -> bool:
    """Whether an option of the running command stands on its command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def today() -> date:
    """The day the command is called, in local time."""
    return datetime.now().astimezone().date()
