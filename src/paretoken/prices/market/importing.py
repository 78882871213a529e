"""Foreign price lists into the price book: CSV or JSON, columns named by a small TOML mapping.

Price lists that clouds publish (`lists.formats`) are recognised by their content and need no mapping.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadFile, BadRows, UnknownName, nearest
from paretoken.foreign_text import one_line
from paretoken.plain_files import load_yaml, read_bytes, read_json
from paretoken.plural import counted
from paretoken.prices.market.book import IDENTITY, SCHEMA
from paretoken.prices.market.lists.formats import FORMATS, format_of
from paretoken.prices.market.mapping import ColumnMapping
from paretoken.prices.market.row_reader import Record, RowReader

REQUIRED = ("provider", "accelerator", "term", "price", "date")
_NAMES = tuple(SCHEMA)


@dataclass(frozen=True, slots=True)
class ImportedPrices:
    """The new rows of a file, the number that the book already had, and the columns that were not used.

    `format` is the published form of the file, empty for your own list; `notes` says what was left out.
    """

    rows: pl.DataFrame
    repeats: int
    ignored: tuple[str, ...]
    format: str = ""
    notes: tuple[str, ...] = ()


def import_prices(
    path: Path,
    catalog: Catalog,
    today: date,
    mapping: ColumnMapping | None = None,
    book: pl.DataFrame | None = None,
) -> ImportedPrices:
    """The prices of a file, checked; rows that `book` already has are left out."""
    mapping = mapping or ColumnMapping()
    records, form, notes = _records(path, mapping)
    columns = _columns(path, records[0], mapping)
    reader = RowReader(path, columns, mapping, catalog, today)
    rows = [row for i, record in enumerate(records, 1) if (row := reader.row(i, record))]
    if reader.errors:
        raise BadRows(reader.errors, "correct it; no row was imported")
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    fresh = table.unique(IDENTITY, keep="first", maintain_order=True)
    if book is not None:
        fresh = fresh.join(book.select(IDENTITY), on=IDENTITY, how="anti", nulls_equal=True)
    used = set(columns.values())
    ignored = () if form else tuple(c for c in records[0] if c not in used)
    return ImportedPrices(fresh, table.height - fresh.height, ignored, form, notes)


def _records(path: Path, mapping: ColumnMapping) -> tuple[list[Record], str, tuple[str, ...]]:
    """The records of a file, its published form, and what was left out.

    BadFile for a file without records, and for a published form that needs a column which the mapping does not state.
    """
    try:
        content = _content(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError) as e:
        raise BadFile(f"{path} is not readable as CSV: {one_line(str(e))}") from e
    form = format_of(content)
    if form is None:
        records = _objects(content)
        if not records:
            forms = "; ".join(f.text for f in FORMATS)
            raise BadFile(
                f"{path} has no prices; expected a CSV with a header, a JSON list of objects, or one of: {forms}"
            )
        return records, "", ()
    lacks = [f"--{column}" for column in form.lacks if column not in mapping.constants]
    if lacks:
        raise BadFile(f"{path} ({form.text}) does not state everything; give {' and '.join(lacks)}")
    listed = [*form.rows(content)]
    records = _in_force(listed, str(mapping.constants.get("date", "")))
    notes = tuple(form.notes(content))
    if len(records) < len(listed):
        notes += (f"left out: {counted(len(listed) - len(records), 'price')} not in force on the day of the list",)
    if not records:
        raise BadFile(f"{path} ({form.text}) has no price of an accelerator; nothing was imported")
    return records, form.name, notes


def _in_force(records: list[Record], day: str) -> list[Record]:
    """The records whose price is in force on a day, YYYY-MM-DD: for each item the newest that has begun."""
    newest: dict[tuple[object, ...], str] = {}
    for record in records:
        item, begun = _item(record), str(record.get("valid_from", ""))
        if begun <= day:
            newest[item] = max(begun, newest.get(item, ""))
    return [r for r in records if newest.get(_item(r)) == str(r.get("valid_from", ""))]


def _item(record: Record) -> tuple[object, ...]:
    """What a record of a published list prices."""
    return tuple(
        str(record.get(k)) for k in ("meter", "provider", "region", "instance", "accelerator", "count", "term")
    )


def _content(path: Path) -> object:
    """The plain values of a CSV, JSON or YAML file."""
    if path.suffix == ".json":
        return read_json(path)
    if path.suffix in (".yml", ".yaml"):
        return load_yaml(read_bytes(path).decode(errors="replace"), str(path))
    return [*pl.read_csv(io.BytesIO(read_bytes(path)), infer_schema=False).iter_rows(named=True)]


def _objects(content: object) -> list[Record]:
    """The objects of a list, or of the first list in an object."""
    rows = next((v for v in content.values() if isinstance(v, list)), []) if isinstance(content, dict) else content
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _columns(path: Path, first: Record, mapping: ColumnMapping) -> dict[str, str]:
    """Our column names and the file's for each that it has."""
    for ours in (*mapping.columns, *mapping.constants):
        if ours not in SCHEMA:
            raise UnknownName(f"price column in the mapping of {path}", ours, list(_NAMES))
    columns = {n: mapping.columns.get(n, n) for n in _NAMES if mapping.columns.get(n, n) in first}
    missing = [n for n in REQUIRED if n not in columns and n not in mapping.constants]
    if missing:
        near = {n: nearest(n, list(first), 1) for n in missing}
        hint = "; ".join(f"{n} = {v[0]!r}?" for n, v in near.items() if v)
        raise BadFile(
            f"{path}: the header ({', '.join(list(first)[:12])}) has no column for {', '.join(missing)}; "
            f"name them under [columns] in a TOML given with --mapping" + (f" ({hint})" if hint else "")
        )
    return columns
