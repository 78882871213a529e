"""`paretoken rent`: the rental market, and prices of your own in it."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options

FOLDER = Path("rental-prices")


class Rent(click.Group):
    """Without a subcommand's name the market is shown."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group("rent", cls=Rent)
def command() -> None:
    """What renting costs: median of provider medians by accelerator and term, with what stands behind it.

    \b
    'paretoken rent [ACCELERATOR]' shows the market ('paretoken rent show --help' lists its options).

    \b
    Examples:
      paretoken rent
      paretoken rent H200 --term on-demand --at 2026-08-31
      paretoken rent H100 --history
      paretoken rent import quotes.csv --mapping quotes.toml
      paretoken rent fetch
    """


@command.command("show")
@click.argument("accelerator", required=False)
@click.option("--term", "terms", multiple=True, help="spot, on-demand, 1-month, 3-6-month, 1-year, … (repeatable).")
@click.option("--form", "forms", multiple=True, help="SXM, PCIe, NVL, OAM (repeatable); the served ones by default.")
@click.option("--history", "past", is_flag=True, help="A chained price index by quarter, with the change of mix.")
@click.option(
    "--basket",
    "providers",
    multiple=True,
    metavar="PROVIDER",
    help="With --history: a fixed set of providers (repeatable).",
)
@click.option("--flagged", "only_flagged", is_flag=True, help="List the rows that a trap has caught.")
@options.market
@options.catalog_folders
@options.as_json
def show(
    accelerator,
    terms,
    forms,
    past,
    providers,
    only_flagged,
    catalog_folders,
    as_json,
    **market,
) -> None:
    """Show the market: who rents what at which term for how much.

    \b
    Examples:
      paretoken rent
      paretoken rent B200 --json
      paretoken rent H100 --history --basket runpod --basket lambda
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.price import rent_tables as tables
    from paretoken.prices.market.cells import known_term

    catalog = load_catalog(*catalog_folders)
    book, day = options.price_book(catalog, **market).values()
    name = accelerator and catalog.accelerators.id_or_own(accelerator, book["accelerator"])
    terms = [known_term(t) for t in terms]
    if only_flagged:
        tables.flags(book, name, as_json)
    elif past:
        tables.history(book, name, terms[0] if terms else "on-demand", providers, as_json)
    elif name:
        tables.one(book, name, terms, forms, day, as_json)
    else:
        tables.everything(book, catalog, terms or ["on-demand"], day, as_json)


@command.command("import", no_args_is_help=True)
@click.argument("file", type=Path)
@click.option("--mapping", type=Path, metavar="TOML", help="Names the file's columns, terms, currencies.")
@click.option("--into", type=Path, default=FOLDER, show_default=True, metavar="DIR", help="Your price book.")
@options.catalog_folders
@options.as_json
def import_(file, mapping, into, catalog_folders, as_json) -> None:
    """Add a price list to your price book: CSV or JSON, dated, append-only, repeats recognised.

    \b
    Examples:
      paretoken rent import quotes.csv
      paretoken rent import offers.json --mapping offers.toml --into prices
      paretoken rent H200 --prices prices
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.price.rent_tables import imported
    from paretoken.prices.market.book import price_book
    from paretoken.prices.market.importing import import_prices, read_mapping

    catalog = load_catalog(*catalog_folders)
    known = price_book([into] if into.is_dir() else ())
    found = import_prices(file, catalog, options.today(), read_mapping(mapping) if mapping else None, known)
    imported(found, into, file.stem, catalog, as_json)


@command.command("fetch")
@click.option("--into", type=Path, default=FOLDER, show_default=True, metavar="DIR", help="Your price book.")
@options.catalog_folders
@options.as_json
def fetch(into, catalog_folders, as_json) -> None:
    """Add today's offers of about 25 clouds to your price book; needs the network and gpuhunt.

    \b
    Examples:
      pip install 'paretoken[market]'
      paretoken rent fetch
      paretoken rent H200 --prices rental-prices
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.price.rent_tables import imported
    from paretoken.prices.market.fetch import fetch_prices
    from paretoken.prices.market.importing import Imported

    catalog = load_catalog(*catalog_folders)
    imported(Imported(fetch_prices(catalog, options.today()), 0, ()), into, "gpuhunt", catalog, as_json)
