"""The price book: what renting an accelerator costs, where, for how long, and who says so.

One row is one price on one date. Rows are never changed: shipped ones come with the package, the
user's lie in a folder, one immutable file an import, and the book is their union without repeats.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import count
from pathlib import Path

import polars as pl

from paretoken.errors import BadFile
from paretoken.foreign_text import one_line
from paretoken.plain_files import read_parquet

SHIPPED = Path(__file__).parent.parent / "data" / "rental.parquet"
FORMAT = "paretoken-prices"
VERSION = "1"

SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "provider": pl.String,
    "region": pl.String,
    "instance": pl.String,
    "accelerator": pl.String,
    "form": pl.String,
    "memory_gb": pl.Float64,
    "count": pl.Int64,
    "term": pl.String,
    "statistic": pl.String,
    "upfront_share": pl.Float64,
    "price": pl.Float64,
    "currency": pl.String,
    "usd_per_gpu_h": pl.Float64,
    "date": pl.Date,
    "source": pl.String,
    "licence": pl.String,
    "quality": pl.String,
}
"""`price` is per GPU-hour in `currency`; `quality` is what the source's collector says of the row."""

IDENTITY = (
    "provider",
    "region",
    "instance",
    "accelerator",
    "form",
    "count",
    "term",
    "statistic",
    "date",
    "price",
    "currency",
    "source",
)
"""Rows that agree in all of these are the same observation."""

OFFERED = ("offer", "mean", "median")
"""Statistics that represent a provider's price; its lowest and highest listing and foreign indices do not."""


@cache
def shipped_prices() -> pl.DataFrame:
    """The prices that come with the package."""
    return pl.read_parquet(SHIPPED, glob=False)


def price_book(folders: Iterable[Path | str] = (), *, shipped: bool = True) -> pl.DataFrame:
    """The shipped prices and those of the user's folders, without repeats, by date."""
    tables = [shipped_prices()] if shipped else []
    tables += [_read(file) for folder in folders for file in _files(Path(folder))]
    rows = pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)
    return rows.unique(IDENTITY, keep="first", maintain_order=True).sort(
        ["accelerator", "form", "term", "provider", "date", "source"], maintain_order=True
    )


def write_prices(table: pl.DataFrame, path: Path) -> None:
    """One immutable file of prices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.select(*SCHEMA).write_parquet(
        path, compression="zstd", compression_level=19, metadata={"format": FORMAT, "version": VERSION}
    )


def append_prices(table: pl.DataFrame, folder: Path, stem: str) -> Path | None:
    """Write the prices into a new file in the folder; None if there are none. Files are never changed."""
    if table.is_empty():
        return None
    name = f"{max(table['date'].to_list())}-{stem}"
    names = (f"{name}.parquet" if k == 1 else f"{name}-{k}.parquet" for k in count(1))
    path = next(p for n in names if not (p := folder / n).exists())
    write_prices(table, path)
    return path


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadFile(f"price folder {folder} does not exist; 'paretoken rent import FILE --into {folder}' creates it")
    return sorted(p for p in folder.iterdir() if p.suffix == ".parquet")


def _read(path: Path) -> pl.DataFrame:
    table, metadata = read_parquet(path, str(path))
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        raise BadFile(f"{path} is not a file of prices, version {VERSION}; import it with 'paretoken rent import'")
    try:
        return table.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as e:
        raise BadFile(f"{path} cannot be read as prices: {one_line(str(e))}") from e
