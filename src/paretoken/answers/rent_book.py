"""The user's own price book: price lists imported from files, and offers of clouds fetched from the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.prices.market.book import append_prices, price_book
from paretoken.prices.market.fetch import fetch_prices
from paretoken.prices.market.importing import ImportedPrices, import_prices
from paretoken.prices.market.mapping import ColumnMapping, read_mapping
from paretoken.prices.market.quality_flags import FlaggedRow, flagged, flagged_dicts, flagged_rows


@dataclass(frozen=True, kw_only=True)
class RentFetchQuestion(Question):
    """Add today's offers of the clouds that gpuhunt knows to a folder of prices."""

    into: Annotated[Path, Field(description="Folder of your own prices")]
    today: date
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, kw_only=True)
class RentImportQuestion(RentFetchQuestion):
    """Add a price list to a folder of prices: one of your own, or as a cloud publishes it."""

    file: Path
    mapping: Annotated[Path | None, Field(description="TOML that names columns, terms, currencies")] = None
    day: Annotated[date | None, Field(description="Day of the prices, where the file does not state it")] = None
    provider: Annotated[str | None, Field(description="Who offers them, where the file does not state it")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RentBookAnswer:
    """What was added: the new file, None if there was nothing new, and the new rows with a quality flag.

    `format` is the published form of the imported file, empty for your own list; `notes` says what was left out.
    """

    file: Path | None
    rows: int
    repeats: int
    ignored_columns: tuple[str, ...]
    flagged: tuple[FlaggedRow, ...]
    format: str = ""
    notes: tuple[str, ...] = ()


def rent_import(question: RentImportQuestion) -> RentBookAnswer:
    """Import a price list; rows that the book already has are left out, and nothing is written if any is wrong."""
    catalog = load_catalog(*question.catalog)
    book = price_book([question.into] if question.into.is_dir() else ())
    mapping = read_mapping(question.mapping) if question.mapping else ColumnMapping()
    stated = {"date": question.day and question.day.isoformat(), "provider": question.provider}
    constants = {name: value for name, value in stated.items() if value}
    mapping = mapping.model_copy(update={"constants": mapping.constants | constants})
    prices = import_prices(question.file, catalog, question.today, mapping, book)
    return _added(prices, append_prices(prices.rows, question.into, question.file.stem), catalog)


def rent_fetch(question: RentFetchQuestion) -> RentBookAnswer:
    """Fetch today's offers; NoData if the network cannot be reached."""
    catalog = load_catalog(*question.catalog)
    prices = ImportedPrices(fetch_prices(catalog, question.today), 0, ())
    return _added(prices, append_prices(prices.rows, question.into, "gpuhunt"), catalog)


def _added(prices: ImportedPrices, file: Path | None, catalog: Catalog) -> RentBookAnswer:
    return RentBookAnswer(
        file=file,
        rows=prices.rows.height,
        repeats=prices.repeats,
        ignored_columns=prices.ignored,
        flagged=flagged_dicts(flagged_rows(flagged(prices.rows, catalog))),
        format=prices.format,
        notes=prices.notes,
    )
