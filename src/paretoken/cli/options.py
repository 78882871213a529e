"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from math import inf, isfinite
from pathlib import Path
from typing import Any

import rich_click as click

from paretoken.cli import context
from paretoken.cli.formats import FORMATS, take_format, take_json, take_wide
from paretoken.cli.money import take_code, take_rate
from paretoken.cli.names import ACCELERATOR, BUNDLE, ENGINE, MODEL, PRECISION, TCO_SET, TOKENS, WORKLOAD

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


def _day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    """The value of an option as a day up to today."""
    if value is None:
        return None
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day; write it as 2026-05-01.", ctx, param) from None
    if day > context.today():
        raise click.BadParameter(f"{day} is in the future; give a day up to today.", ctx, param)
    return day


json_only = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
as_json = stack(
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        is_eager=True,
        expose_value=False,
        callback=take_format,
        help="Print tables, as csv the main one, or everything as json.  [default: table]",
    ),
    click.option(
        "--json", "as_json", is_flag=True, callback=take_json, help="Print JSON for programs, as --format json does."
    ),
    click.option(
        "--wide",
        is_flag=True,
        expose_value=False,
        callback=take_wide,
        help="Print every column in full, however narrow the terminal.",
    ),
)
"""How a verb with tables prints; `as_json` is its parameter, `output.print_table` knows the rest."""
catalog_folders = click.option(
    "--catalog",
    "catalog_folders",
    multiple=True,
    type=Path,
    metavar="DIR",
    help="Overlay the catalog with a folder of your own entries (repeatable).",
)


workload = click.option(
    "--workload", type=WORKLOAD, help="Workload from the catalog (chat, 8k1k, …), or ISL/OSL in tokens: 3k/700."
)


def _what(required: bool) -> Decorator:
    return stack(
        click.option("--model", required=required, type=MODEL, help="Model, by any name in the catalog."),
        click.option(
            "--precision",
            type=PRECISION,
            metavar="TEXT",
            help="Precision of the weights: fp4, fp8, bf16, int4 (optional if unambiguous).",
        ),
        workload,
        click.option("--isl", type=TOKENS, help="Nominal input length in tokens: 1024, 1k, …"),
        click.option("--osl", type=TOKENS, help="Nominal output length in tokens, in the same forms."),
    )


what = _what(True)
what_if = _what(False)

latency = stack(
    click.option(
        "--e2e",
        "e2e_s",
        type=Finite(),
        metavar="S",
        help="Limit the end-to-end latency of one request to at most this, in seconds.",
    ),
    click.option(
        "--interactivity",
        type=Finite(),
        metavar="X",
        help="Ask for at least this interactivity, in tokens per second per user.",
    ),
    click.option(
        "--ttft",
        multiple=True,
        metavar="P=T",
        help="Limit the time to first token: p50=1s, p99=3s, mean=800ms (repeatable).",
    ),
    click.option("--slo", metavar="SLO", help="Set more limits, such as tpot_p99=50ms,ttft_mean=1s."),
)

market = stack(
    click.option(
        "--prices",
        "price_folders",
        multiple=True,
        type=Path,
        metavar="DIR",
        help="Add a folder of your own rental prices (repeatable).",
    ),
    click.option("--no-shipped-prices", is_flag=True, help="Ignore the shipped rental prices."),
    click.option(
        "--at", "at", metavar="DATE", help="Use market prices of this day, YYYY-MM-DD (default: --as-of or today)."
    ),
    click.option(
        "--cost-of-capital",
        type=Finite(),
        default=0.0,
        metavar="R",
        help="Annual cost of capital for rents paid upfront; 0.10 is 10 %.",
    ),
)

bundles = stack(
    click.option(
        "--bundle",
        "bundles",
        multiple=True,
        type=BUNDLE,
        help="Use only this bundle of points; 'shipped' is the one of the package (repeatable; default: all).",
    ),
    click.option(
        "--as-of",
        callback=_day,
        metavar="DATE",
        help="Use only points of runs that had ended by this day, YYYY-MM-DD.",
    ),
)

which = stack(
    click.option("--engine", "engines", multiple=True, type=ENGINE, help="Include only this engine (repeatable)."),
    click.option(
        "--origin",
        "origins",
        multiple=True,
        help="Include only points of this origin: measured, published, predicted, emulated (repeatable).  "
        "[default: all but emulated]",
    ),
    click.option(
        "--serving",
        type=click.Choice(["single-node", "any"]),
        default="single-node",
        show_default=True,
        help="any: include disaggregated and multi-node serving, without a separate answer for plain serving.",
    ),
    click.option(
        "--speculative",
        type=click.Choice(["none", "any"]),
        default="none",
        show_default=True,
        help="any: include speculative decoding, without a separate answer for plain serving.",
    ),
    click.option("--include-suspicious", "suspicious", is_flag=True, help="Include points flagged as suspicious."),
    click.option(
        "--points",
        "files",
        multiple=True,
        type=Path,
        metavar="FILE",
        help="Add a file of your own results or points (repeatable).",
    ),
    click.option("--no-published", is_flag=True, help="Ignore the shipped and the installed bundles of points."),
    bundles,
    catalog_folders,
)

accelerators = click.option(
    "--accelerator", "accelerators", multiple=True, type=ACCELERATOR, help="Include only this accelerator (repeatable)."
)
axis = click.option(
    "--axis",
    type=click.Choice(["e2e", "interactivity"]),
    default="e2e",
    show_default=True,
    help="Latency axis: end-to-end latency or interactivity.",
)
tco = stack(
    click.option("--tco", type=TCO_SET, help="TCO set (default: the newest)."),
    click.option("--tier", help="Tier of the TCO set (default: its first)."),
)
serving_load = click.option(
    "--serving-load",
    type=Finite(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of hours in which the GPU serves at this throughput.",
)


def _prices(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """`MI355X=2.60` as a price by name; an error for what is not a price above 0, and for a name that comes twice."""
    prices = dict[str, float]()
    for text in values:
        name, _, number = text.rpartition("=")
        try:
            usd = float(number)
        except ValueError:
            usd = 0.0
        if not name.strip() or not 0 < usd < inf:
            example = "write an accelerator and USD above 0, as in MI355X=2.60"
            raise click.BadParameter(f"{text!r} is not a price; {example}.", ctx, param)
        if name.strip() in prices:
            raise click.BadParameter(f"the price of {name.strip()} is stated twice; state it once.", ctx, param)
        prices[name.strip()] = usd
    return prices


price = click.option(
    "--price",
    "price_usd_per_gpu_h",
    multiple=True,
    callback=_prices,
    metavar="NAME=USD",
    help="Your price of an accelerator, USD per GPU-hour, instead of the listed one: MI355X=2.60 (repeatable).",
)


currency = stack(
    click.option(
        "--currency",
        callback=take_code,
        expose_value=False,
        metavar="CODE",
        help="Print money in this currency, such as EUR; needs --usd-rate. Amounts that you give are in USD, JSON too.",
    ),
    click.option(
        "--usd-rate",
        type=Finite(),
        callback=take_rate,
        expose_value=False,
        metavar="R",
        help="Exchange rate for --currency: units of it for one USD, as in 0.92.",
    ),
)
mw = click.option(
    "--mw",
    type=Finite(0, min_open=True),
    metavar="MW",
    help="Show the fleet that fits under this limit of utility power, in MW.",
)
grid = click.option(
    "--grid-gco2-per-kwh",
    type=Finite(0),
    metavar="G",
    help="Carbon of your grid, g CO2 per kWh: also show g CO2 per million tokens.",
)
