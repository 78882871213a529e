"""`paretoken rent`: the rental market, and your own prices in it."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli import context, options
from paretoken.cli.asking import question
from paretoken.cli.names import ACCELERATOR

FOLDER = Path("rental-prices")
into = click.option(
    "--into", type=Path, default=FOLDER, show_default=True, metavar="DIR", help="Folder of your price book."
)


class Rent(click.RichGroup):
    """A group that shows the market when no subcommand is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group("rent", cls=Rent)
def command() -> None:
    """Show market rents by accelerator and term, with the data behind them.

    'paretoken rent [ACCELERATOR]' shows the market; 'paretoken rent show --help' lists its options.

    \b
    Examples:
      paretoken rent
      paretoken rent H200 --term on-demand --at 2026-08-31
      paretoken rent H100 --history
      paretoken rent import quotes.csv --mapping quotes.toml
      paretoken rent fetch
    """


@command.command("show")
@click.argument("accelerator", required=False, type=ACCELERATOR)
@click.option("--term", "terms", multiple=True, help="Rental term: spot, on-demand, 1-month, 1-year, … (repeatable).")
@click.option("--form", "forms", multiple=True, help="Form factor: SXM, PCIe, NVL, OAM (repeatable).")
@click.option(
    "--estimate-terms",
    is_flag=True,
    help="Estimate committed terms without a price from the ratios of other accelerators.",
)
@click.option("--history", is_flag=True, help="Show the chained price index by quarter.")
@click.option(
    "--basket",
    multiple=True,
    metavar="PROVIDER",
    help="With --history: add the mean price of this provider set (repeatable).",
)
@click.option("--flagged", is_flag=True, help="List the rows with a quality flag.")
@options.market
@options.catalog_folders
@options.currency
@options.as_json
def show(*, history: bool, flagged: bool, as_json: bool, **values: object) -> None:
    """Show market rents by accelerator and term.

    \b
    Examples:
      paretoken rent
      paretoken rent B200 --json
      paretoken rent H100 --history --basket runpod --basket lambda
    """
    from paretoken.answers import rent
    from paretoken.cli.price import rent_tables as tables
    from paretoken.errors import BadConfig

    if flagged:
        tables.flags(rent.flagged_prices(question(rent.FlaggedPricesQuestion, values)), as_json)
    elif history:
        if not values["accelerator"]:
            raise BadConfig("--history needs one accelerator, as in 'paretoken rent H100 --history'")
        terms = values["terms"]
        term = {"term": terms[0]} if isinstance(terms, tuple) and terms else {}
        tables.history(rent.rent_history(question(rent.RentHistoryQuestion, values | term)), as_json)
    elif values["accelerator"]:
        tables.accelerator(rent.rent(question(rent.RentQuestion, values)), as_json)
    else:
        tables.market(rent.rental_market(question(rent.RentQuestion, values)), as_json)


@command.command("import", no_args_is_help=True)
@click.argument("file", type=Path)
@click.option("--mapping", type=Path, metavar="TOML", help="TOML that names the file's columns, terms and currencies.")
@click.option("--date", "day", metavar="DATE", help="Day of the prices, YYYY-MM-DD, if the file does not state it.")
@click.option("--provider", metavar="NAME", help="Provider of the prices, if the file does not state it.")
@into
@options.catalog_folders
@options.json_only
def import_(*, as_json: bool, **values: object) -> None:
    """Import a dated price list into your price book. Prices already in it are skipped.

    It takes a CSV or JSON of your own, and these as they are published: the Azure Retail Prices API (JSON),
    instances.json of ec2instances.info (AWS), pricing.yml of gcosts (Google Cloud), vms.csv of the SkyPilot catalog.

    \b
    Examples:
      paretoken rent import quotes.csv
      paretoken rent import offers.json --mapping offers.toml --into prices
      paretoken rent import instances.json --date 2026-11-24
      paretoken rent import vms.csv --date 2026-11-24 --provider nebius
      paretoken rent H200 --prices prices
    """
    from paretoken.answers.rent_book import RentImportQuestion, rent_import
    from paretoken.cli.price.rent_tables import added

    day = context.iso_day(str(values["day"])) if values["day"] else None
    added(rent_import(question(RentImportQuestion, values | {"today": context.today(), "day": day})), as_json)


@command.command("fetch")
@into
@options.catalog_folders
@options.json_only
def fetch(*, as_json: bool, **values: object) -> None:
    """Fetch today's offers of about 25 clouds into your price book; needs the network and gpuhunt.

    \b
    Examples:
      pip install 'paretoken[market]'
      paretoken rent fetch
      paretoken rent H200 --prices rental-prices
    """
    from paretoken.answers.rent_book import RentFetchQuestion, rent_fetch
    from paretoken.cli.price.rent_tables import added

    added(rent_fetch(question(RentFetchQuestion, values | {"today": context.today()})), as_json)
