"""`paretoken outlook`: a scenario played through, and the trend of dated runs."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options


@click.command("outlook", no_args_is_help=True)
@click.argument("scenario", required=False, metavar="SCENARIO.toml")
@click.option(
    "--trend", "past", is_flag=True, help="Show how dated runs of one configuration moved, with steps and regressions."
)
@click.option("--accelerator", help="With --trend: only this one.")
@options.market
@click.option("--points", "files", multiple=True, type=Path, metavar="FILE", help="Own results or points (repeatable).")
@click.option("--no-published", is_flag=True, help="Leave the shipped published points out.")
@options.catalog_folders
@options.as_json
def command(scenario, past, accelerator, files, no_published, catalog_folders, as_json, **market) -> None:
    """Play a scenario through: accelerators to come, prices that change, software that gets faster.

    \b
    A scenario names today's question and what changes; every figure it gives is marked as a scenario.
    Shipped ones go by name: mi355x-vs-b200, mi455x-vs-vr200, rent-cut.

    \b
    Examples:
      paretoken outlook rent-cut
      paretoken outlook mi455x-vs-vr200 --json
      paretoken outlook mine.toml --prices rental-prices
      paretoken outlook --trend --accelerator MI355X
    """
    from paretoken.answers import planning
    from paretoken.catalog.loader import load_catalog
    from paretoken.errors import BadConfig
    from paretoken.points.load import load_points
    from paretoken.prices.outlook.scenario import find_scenario

    catalog = load_catalog(*catalog_folders)
    if bool(scenario) == past:
        raise BadConfig("give a scenario, or --trend for the runs so far")
    table = load_points(files, published=not no_published, catalog=catalog)
    if past:
        _trend(planning.dated_trends(table, accelerator and catalog.accelerators.id_of(accelerator)), as_json)
        return
    market = options.price_book(catalog, **market)
    _scenario(planning.outlook(find_scenario(scenario), catalog=catalog, of=table, **market), as_json)


def _scenario(found, as_json) -> None:
    from paretoken.cli.output import console, percent, print_json, print_table
    from paretoken.prices.outlook.project import changed, winners

    s = found.scenario
    if as_json:
        print_json(
            {
                "scenario": s.name,
                "origin": "scenario",
                "axis": found.axis,
                "value": found.value,
                "price": found.price.name,
                "fitted_per_quarter": {a: g for a, (g, _) in found.fitted.items()},
                "states": found.states,
                "winners": winners(found.states),
            }
        )
        return
    unit = "s end to end" if found.axis == "e2e" else "tok/s/user"
    print_table(
        f"SCENARIO {s.name}: {s.model}, {s.workload}, {found.value:g} {unit}; "
        f"today {found.price.name} ({found.price.tco})",
        ("from", "accelerator", "tok/s/GPU", "$/GPU-h", "$/M tokens", f"equals {s.reference} at $/GPU-h", "basis"),
        [
            (
                x.day,
                x.accelerator,
                x.tput_per_gpu,
                x.usd_per_gpu_h,
                x.usd_per_mtok,
                f"{x.break_even_usd_per_gpu_h:.2f}",
                x.basis,
            )
            for x in changed(found.states)
        ],
        "every figure is a scenario's, not a measurement; a quarter in which nothing changes is left out",
    )
    rows = [(day, a, b, percent(m)) for day, a, b, m in winners(found.states)]
    print_table("\nCheapest tokens, scenario", ("from", "cheapest", "next", "margin"), rows)
    for a, (g, n) in found.fitted.items():
        console().print(
            f"{a}: {g:+.0%} a quarter, median of {n} trends of dated runs ('paretoken outlook --trend')",
            style="dim",
            highlight=False,
        )
    for c in s.coming:
        console().print(
            f"{c.name}: {c.like} × {c.throughput_factor:g} from {c.available}: {c.source}",
            style="dim",
            markup=False,
            highlight=False,
        )


def _trend(found, as_json) -> None:
    from paretoken.cli.output import percent, print_json, print_table
    from paretoken.errors import NoData

    if not found:
        raise NoData("no configuration has single dated runs on four days or more among these points")
    if as_json:
        print_json([{"title": t.title, "trend": t} for t in found])
        return
    print_table(
        "Throughput at equal interactivity over the dated runs of one configuration",
        ("configuration", "tok/s/user", "runs", "from", "to", "first", "last", "a quarter", "90 % of it", "steps"),
        [
            (
                t.title,
                t.interactivity,
                len(t.dates),
                t.dates[0],
                t.dates[-1],
                t.tput_per_gpu[0],
                t.tput_per_gpu[-1],
                percent(t.per_quarter),
                None if t.per_quarter is None else "{:+.0%} … {:+.0%}".format(*t.interval),
                "; ".join(
                    f"{s.on} {s.change:+.0%}" + (f" REGRESSION ({s.run[:40]})" if s.regression else "") for s in t.steps
                )
                or None,
            )
            for t in found
        ],
        "a quarter: the median slope over two months or more, not stated where the ends of its interval lie more than "
        "a factor of 1.5 apart; steps are lasting changes of level",
    )
