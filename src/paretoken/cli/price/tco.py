"""`paretoken tco`: what an accelerator costs its owner, from the bottom up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import context, options
from paretoken.cli.asking import question
from paretoken.cli.names import ACCELERATOR
from paretoken.cli.price.contract_options import CONTRACT_OPTIONS, contracts

if TYPE_CHECKING:
    from paretoken.answers.tco import MonteCarlo


@click.command("tco")
@options.accelerators
@click.option(
    "--operator",
    type=click.Choice(["hyperscaler", "neocloud", "enterprise"]),
    default="neocloud",
    show_default=True,
    help="Operator whose shipped figures to start from.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="FILE", help="TOML file of your own figures, or a shipped set (repeatable)."
)
@click.option(
    "--tax-rate", type=options.Finite(0, 0.95), metavar="SHARE", help="Income tax as a share of profit (default: none)."
)
@click.option(
    "--depreciation",
    type=click.Choice(["straight-line", "declining-balance", "macrs-5", "observed"]),
    help="How capital is written off for tax (default: straight-line).",
)
@click.option(
    "--depreciation-months",
    type=options.Finite(1, 600),
    metavar="N",
    help="Months of the write-off (default: the life).",
)
@click.option("--explain", is_flag=True, help="Print the calculation line by line with its sources.")
@click.option("--statement", is_flag=True, help="Print capital, running costs and tax per GPU, server and megawatt.")
@click.option("--tornado", is_flag=True, help="Vary each input in turn from low to high.")
@contracts
@click.option("--monte-carlo", "draws", type=int, metavar="N", help="Draw all uncertain inputs N times.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the draws.")
@click.option(
    "--throughput-spread",
    type=options.Finite(0, 10),
    metavar="X",
    help="Throughput spread: ±X in 90 % of draws (default: by origin).",
)
@click.option(
    "--against",
    type=ACCELERATOR,
    help="With --monte-carlo and a latency: also draw the break-even rent against this.",
)
@click.option(
    "--rent",
    "rent_usd",
    type=options.Finite(),
    metavar="USD",
    help="Rent for --against or --or-rent, USD per GPU-hour.",
)
@options.what_if
@options.latency
@options.serving_load
@options.price
@options.market
@options.which
@options.currency
@options.as_json
def command(
    *,
    explain: bool,
    statement: bool,
    tornado: bool,
    or_rent: bool,
    draws: int | None,
    as_json: bool,
    sets: tuple[str, ...],
    **values: object,
) -> None:
    """Compute the owner's cost of a GPU-hour: capital, site, power and staff.

    Your figures go in a TOML file: `electricity_usd_per_kwh = 0.06` for all, `[H200]` for one accelerator.
    Shipped set: h200-2025, an owner whose capital cost is public.

    \b
    Examples:
      paretoken tco
      paretoken tco --accelerator H200 --set h200-2025 --explain
      paretoken tco --operator enterprise --accelerator MI300X --tornado
      paretoken tco --tax-rate 0.25 --depreciation macrs-5 --statement
      paretoken tco --or-rent --needed 0.6
      paretoken tco --accelerator H200 --or-rent --reserved 1-year=3.10
      paretoken tco --monte-carlo 100000 --seed 7 --json
      paretoken tco --accelerator H200 --accelerator MI355X --monte-carlo 20000 \\
                    --model deepseek-r1 --precision fp8 --workload chat \\
                    --interactivity 40 --against H200
    """
    from paretoken.answers.own_or_rent import OwnOrRentTerms
    from paretoken.answers.tco import TcoQuestion, tco
    from paretoken.cli.money import currency
    from paretoken.cli.price.tco_tables import print_tco
    from paretoken.errors import BadConfig

    if sum((explain, statement, tornado, or_rent, draws is not None)) > 1:
        raise BadConfig(
            "--explain, --statement, --tornado, --or-rent and --monte-carlo cannot be combined; use one of them"
        )
    if explain and currency().note:
        raise BadConfig("--explain prints the calculation in USD, as its inputs are; leave out --currency")
    if not or_rent:
        _refuse_contract_options(values)
    parts: dict[str, object] = {
        "sets": (*sets, *_taxed(values, sets)),
        "explain": explain,
        "statement": statement,
        "tornado": tornado,
        "own_or_rent": question(OwnOrRentTerms, values) if or_rent else None,
        "monte_carlo": None if draws is None else _monte_carlo(draws, values),
    }
    print_tco(tco(question(TcoQuestion, values | parts)), as_json)


def _refuse_contract_options(values: Mapping[str, object]) -> None:
    """BadConfig for an option that only `--or-rent` reads."""
    from paretoken.errors import BadConfig

    if values["price_usd_per_gpu_h"]:
        raise BadConfig("--price states a rent of one accelerator; add --or-rent")
    if values["rent_usd"] is not None and not values["against"]:
        raise BadConfig("--rent is compared with nothing; add --or-rent, or --monte-carlo and --against")
    for name, option in CONTRACT_OPTIONS.items():
        if context.given(name):
            raise BadConfig(f"{option} belongs to own, reserve or rent; add --or-rent")


def _taxed(values: Mapping[str, object], sets: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """The tax options as a set on top of all others; nothing if none is used."""
    from paretoken.errors import BadConfig

    table = {n: values[n] for n in ("tax_rate", "depreciation", "depreciation_months") if values[n] is not None}
    if table and "tax_rate" not in table and not _taxed_by_sets(sets):
        raise BadConfig(f"--{next(iter(table)).replace('_', '-')} changes the income tax only; add --tax-rate")
    if values["depreciation_months"] and values["depreciation"] in ("macrs-5", "observed"):
        raise BadConfig(
            f"--depreciation {values['depreciation']} has months of its own; leave --depreciation-months out"
        )
    if table:
        yield table


def _taxed_by_sets(sets: tuple[str, ...]) -> bool:
    """Whether a set of the user's figures states a tax rate, for all accelerators or for some."""
    from paretoken.prices.owner.layers import read_sets

    tables = [s.content for s in read_sets(sets)]
    return any("tax_rate" in t or any("tax_rate" in v for v in t.values() if isinstance(v, dict)) for t in tables)


def _monte_carlo(draws: int, values: Mapping[str, object]) -> MonteCarlo:
    """The Monte Carlo; at a latency if the options name a model."""
    from paretoken.answers.latency import LatencyQuestion
    from paretoken.answers.tco import MonteCarlo
    from paretoken.errors import BadConfig

    at_latency = None
    if values["model"]:
        at_latency = question(LatencyQuestion, {**values, "accelerators": ()})
    elif values["ttft"] or any(values[name] is not None for name in ("e2e_s", "interactivity", "slo", "against")):
        raise BadConfig("a latency or --against needs a model; add --model and --workload")
    return question(MonteCarlo, {**values, "draws": draws, "at_latency": at_latency})
