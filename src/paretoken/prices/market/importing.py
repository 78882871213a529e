"""Foreign price lists into the price book: CSV or JSON, columns named by a small TOML mapping.

A mapping holds `[columns]` (ours = theirs), `[constants]`, `[terms]` and `[statistics]` (their word
to ours), and `[rates]` (USD per unit of a currency). Without one the file's header must be ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paretoken.catalog.loader import Catalog, explain, read_toml
from paretoken.errors import BadConfig, BadFile, BadRows, RowError, UnknownName, nearest
from paretoken.prices.market.book import IDENTITY, SCHEMA
from paretoken.prices.market.names import FORMS, accelerator_of
from paretoken.prices.market.terms import term_of

CURRENCIES = (
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "CHF",
    "CAD",
    "AUD",
    "INR",
    "CNY",
    "KRW",
    "SGD",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "BRL",
)
REQUIRED = ("provider", "accelerator", "term", "price", "date")
_NAMES = tuple(SCHEMA)
_STATISTICS = ("offer", "min", "mean", "median", "max", "index")


class Mapped(BaseModel):
    """A mapping file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str | float | int] = Field(default_factory=dict)
    terms: dict[str, str] = Field(default_factory=dict)
    statistics: dict[str, str] = Field(default_factory=dict)
    rates: dict[str, float] = Field(default_factory=dict, description="USD per unit of the currency")


@dataclass(frozen=True, slots=True)
class Imported:
    """The rows of a file, those of them that the book already holds, and the columns nobody asked for."""

    rows: pl.DataFrame
    repeats: int
    ignored: tuple[str, ...]


def read_mapping(path: Path) -> Mapped:
    try:
        return Mapped.model_validate(read_toml(path, "mapping"))
    except ValidationError as e:
        raise BadConfig(f"mapping {path}: {explain(e, list(Mapped.model_fields))}") from e


def import_prices(
    path: Path, catalog: Catalog, today: date, mapping: Mapped | None = None, known: pl.DataFrame | None = None
) -> Imported:
    """The prices of a file, checked; `known` is the book whose rows are not to be taken again."""
    mapping = mapping or Mapped()
    raw = _records(path)
    columns = _columns(path, raw[0], mapping)
    errors: list[RowError] = []
    rows = [
        row
        for i, record in enumerate(raw, 1)
        if (row := _row(path, i, record, columns, mapping, catalog, today, errors))
    ]
    if errors:
        raise BadRows(errors, "mend it; no row was taken")
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    fresh = table.unique(IDENTITY, keep="first", maintain_order=True)
    if known is not None:
        fresh = fresh.join(known.select(IDENTITY), on=IDENTITY, how="anti", nulls_equal=True)
    used = set(columns.values())
    return Imported(fresh, table.height - fresh.height, tuple(c for c in raw[0] if c not in used))


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        if path.suffix == ".json":
            found = orjson.loads(path.read_bytes())
            found = next((v for v in found.values() if isinstance(v, list)), []) if isinstance(found, dict) else found
            found = [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []
        else:
            found = pl.read_csv(path, infer_schema=False).to_dicts()
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror or e}") from e
    except (orjson.JSONDecodeError, pl.exceptions.PolarsError, UnicodeDecodeError) as e:
        raise BadFile(f"{path} is neither CSV nor JSON that can be read: {str(e).splitlines()[0]}") from e
    if not found:
        raise BadFile(f"{path} holds no price; expected a CSV with a header or a JSON list of objects")
    return found


def _columns(path: Path, first: Mapping[str, Any], mapping: Mapped) -> dict[str, str]:
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


def _row(path, i, record, columns, mapping, catalog, today, errors) -> list[Any] | None:
    """One checked row in the order of the schema; what is wrong goes to `errors`."""
    got = {n: record.get(theirs) for n, theirs in columns.items()}
    got = {n: None if v in ("", None) else v for n, v in got.items()}
    got = {**mapping.constants, **{n: v for n, v in got.items() if v is not None}}

    def wrong(column: str, why: str) -> None:
        errors.append(RowError(str(path), i, column, str(got.get(column, "")), why))

    for column in ("provider", "accelerator", "term", "date"):
        if not str(got.get(column, "")).strip():
            wrong(column, "is missing")
            return None
    price, currency = _price(got, wrong), str(got.get("currency", "USD")).upper()
    rate = _rate(currency, mapping, wrong)
    day = _day(got["date"], today, wrong)
    name, form, memory = accelerator_of(
        str(got["accelerator"]), catalog, f"{got.get('instance', '')} {got.get('source', '')}"
    )
    stated = str(got.get("form", "")) or form
    if stated and stated not in FORMS:
        wrong("form", f"is no form; known: {', '.join(FORMS)}")
    statistic = mapping.statistics.get(str(got["term"]), str(got.get("statistic", "offer")))
    if statistic not in _STATISTICS:
        wrong("statistic", f"is none of {', '.join(_STATISTICS)}")
    term = _term(got["term"], mapping, wrong)
    upfront = _number(got, "upfront_share", wrong) or 0.0
    if not 0 <= upfront <= 1:
        wrong("upfront_share", "must lie between 0 and 1")
    count = _number(got, "count", wrong)
    if count is not None and count < 1:
        wrong("count", "must be 1 or more")
    return [
        str(got["provider"]),
        _text(got, "region"),
        _text(got, "instance"),
        name,
        stated,
        _number(got, "memory_gb", wrong) or memory,
        None if count is None else int(count),
        term,
        statistic,
        upfront,
        price,
        currency,
        None if price is None or rate is None else price * rate,
        day,
        _text(got, "source") or path.name,
        _text(got, "licence"),
        _text(got, "quality") or "ok",
    ]


def _price(got: Mapping[str, Any], wrong) -> float | None:
    """The price; 0 and NaN are kept for the traps to flag, a negative or infinite one is a mistake."""
    value = _number(got, "price", wrong, kept=math.isnan)
    if value is not None and value < 0:
        wrong("price", "is negative; a price is 0 or more")
    return value


def _rate(currency: str, mapping: Mapped, wrong) -> float | None:
    if currency == "USD":
        return 1.0
    if currency not in CURRENCIES:
        wrong("currency", f"is an unknown currency; known: {', '.join(CURRENCIES)}")
        return None
    rate = mapping.rates.get(currency)
    if rate is None or not 0 < rate < math.inf:
        wrong("currency", f"has no rate; give USD per {currency} under [rates] in the mapping")
        return None
    return rate


def _day(value: Any, today: date, wrong) -> date | None:
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        wrong("date", "is not a date; write YYYY-MM-DD")
        return None
    if day > today:
        wrong("date", f"lies in the future (today is {today})")
    return day


def _term(value: Any, mapping: Mapped, wrong) -> str | None:
    try:
        return term_of(mapping.terms.get(str(value), str(value)))
    except UnknownName as e:
        wrong("term", f"is no rental term: {e}")
        return None


def _number(got: Mapping[str, Any], column: str, wrong, kept=lambda _: False) -> float | None:
    """A finite number, or one that `kept` lets pass."""
    if got.get(column) is None:
        return None
    try:
        value = float(got[column])
    except (TypeError, ValueError):
        wrong(column, "is not a number")
        return None
    if not math.isfinite(value) and not kept(value):
        wrong(column, "is not a finite number")
        return None
    return value


def _text(got: Mapping[str, Any], column: str) -> str | None:
    return None if got.get(column) is None else str(got[column])
