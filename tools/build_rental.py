"""Build the shipped rental prices from the collected CSV.

    python tools/build_rental.py rental_prices.csv

The rows go through the same import as a user's price list, with `tools/rental_mapping.toml`. Rows of list prices
with commitments, `tools/list_prices.csv`, are added.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import polars as pl

from paretoken.catalog.loader import load_catalog
from paretoken.prices.market.book import SHIPPED, write_prices
from paretoken.prices.market.importing import import_prices
from paretoken.prices.market.mapping import read_mapping

MAPPING = Path(__file__).parent / "rental_mapping.toml"
LIST_PRICES = Path(__file__).parent / "list_prices.csv"
COLLECTED_BY = date(2026, 11, 24)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    catalog = load_catalog()
    collected = import_prices(args.csv, catalog, COLLECTED_BY, read_mapping(MAPPING))
    listed = import_prices(LIST_PRICES, catalog, COLLECTED_BY, book=collected.rows)
    table = pl.concat([collected.rows, listed.rows]).sort(
        "accelerator", "form", "term", "provider", "date", "source", "instance", maintain_order=True
    )
    write_prices(table, args.out)
    size = args.out.stat().st_size / 1e3
    print(f"{table.height} prices ({collected.repeats + listed.repeats} repeats left out), {size:.0f} kB -> {args.out}")


if __name__ == "__main__":
    main()
