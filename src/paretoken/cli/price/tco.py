"""`paretoken tco`: what an accelerator costs its owner, from the bottom up."""

from __future__ import annotations

import click

from paretoken.cli import options


@click.command("tco")
@options.accelerators
@click.option(
    "--operator",
    type=click.Choice(["hyperscaler", "neocloud", "enterprise"]),
    default="neocloud",
    show_default=True,
    help="Whose shipped figures lie under yours.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="FILE", help="TOML of your own figures, or a shipped set (repeatable)."
)
@click.option("--explain", "explained", is_flag=True, help="Print the calculation line by line with its sources.")
@click.option("--tornado", is_flag=True, help="Move one input at a time from its low to its high.")
@click.option("--or-rent", is_flag=True, help="Own or rent: the share of hours from which owning pays, payback, NPV.")
@click.option(
    "--needed",
    type=options.Finite(),
    default=1.0,
    show_default=True,
    metavar="SHARE",
    help="With --or-rent: share of hours it is needed.",
)
@click.option("--monte-carlo", "draws", type=int, metavar="N", help="Draw all inputs N times.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the draws.")
@click.option(
    "--throughput-spread",
    type=options.Finite(0, 10),
    metavar="X",
    help="±X of throughput in 90 % of draws; by origin if not given.",
)
@click.option("--against", help="With a model and latency: draws of the rent at which each equals this accelerator.")
@click.option(
    "--rent", "rent_usd", type=options.Finite(), metavar="USD", help="Of --against or --or-rent, USD per GPU-hour."
)
@options.what_if
@options.latency
@options.serving_load
@options.market
@options.which
@options.as_json
def command(
    accelerators,
    operator,
    sets,
    explained,
    tornado,
    or_rent,
    needed,
    draws,
    seed,
    throughput_spread,
    against,
    rent_usd,
    e2e_s,
    interactivity,
    serving_load,
    as_json,
    **shared,
) -> None:
    """Cost of a GPU-hour to its owner: capital, site, power and people, component by component.

    \b
    Your figures go in a TOML file: `electricity_usd_per_kwh = 0.06` for all, `[H200]` for one accelerator.
    A set ships by name too: h200-2025, an owner whose capital is public.

    \b
    Examples:
      paretoken tco
      paretoken tco --accelerator H200 --set h200-2025 --explain
      paretoken tco --operator enterprise --accelerator MI300X --tornado
      paretoken tco --or-rent --needed 0.6
      paretoken tco --monte-carlo 100000 --seed 7 --json
      paretoken tco --accelerator H200 --accelerator MI355X --monte-carlo 20000 --model deepseek-r1 \\
                    --precision fp8 --workload chat --interactivity 40 --against H200
    """
    from paretoken.answers import money
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.price import tco_tables as tables
    from paretoken.errors import BadConfig

    if sum((explained, tornado, or_rent, draws is not None)) > 1:
        raise BadConfig("--explain, --tornado, --or-rent and --monte-carlo are four answers; give one of them")
    catalog = load_catalog(*shared["catalog_folders"])
    market = options.of_market(shared)
    found = money.tco(accelerators, operator=operator, sets=sets, catalog=catalog)
    if draws is not None:
        latency = {"e2e_s": e2e_s, "interactivity": interactivity}
        against = against and catalog.accelerators.id_of(against)
        _monte_carlo(found, draws, seed, throughput_spread, against, rent_usd, latency, serving_load, as_json, shared)
    elif explained:
        tables.explain(found, catalog, as_json)
    elif tornado:
        tables.tornado(found, as_json)
    elif or_rent:
        book = options.price_book(catalog, **market)
        tables.or_rent(money.own_against_rent(found, **book, rent_usd=rent_usd, needed_share=needed), as_json)
    else:
        tables.table(found, as_json)


def _monte_carlo(found, draws, seed, spread, against, rent_usd, latency, serving_load, as_json, shared) -> None:
    from paretoken.answers import money
    from paretoken.cli.output import print_json
    from paretoken.cli.price.tco_tables import draws_of
    from paretoken.errors import BadConfig
    from paretoken.prices.owner.rows import simulation_json

    candidates, spreads = (), None
    if shared["model"]:
        asked = options.asked(**shared)
        _, _, candidates = money.at_latency(**asked, **latency)
        spreads = money.spreads_of(candidates, asked["of"]) if spread is None else None
    elif any(v is not None for v in latency.values()) or against:
        raise BadConfig("a latency or --against needs a question; give --model, --workload and one latency")
    simulation = money.uncertain(
        found, draws, seed, candidates, spread=spread, spreads=spreads, serving_load=serving_load
    )
    answer = simulation_json(simulation, against, rent_usd)
    if as_json:
        print_json(answer)
        return
    draws_of(simulation, answer)
