"""The table of API list prices, one row for each model, provider, name and tier: the shipped one, or a user's CSV.

Of the rows of one name, the newest ones of live requests hold on a day, so a list with peak hours replaces a flat one.
The newest batch price holds beside them. A CSV without a column `tier` has one price in each row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import isfinite
from pathlib import Path

from paretoken.errors import BadFile
from paretoken.prices.api_price import DAYS_A_WEEK, ApiPrice, TierPrice

SHIPPED = Path(__file__).parent / "data" / "api_prices.csv"
REQUIRED = ("model", "provider", "input_usd_per_mtok", "output_usd_per_mtok")
BASE = ("standard", "off-peak")
TIERS = (*BASE, "peak", "batch")
_HOURS = re.compile(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?")
_DAY = re.compile(r"\d{4}(-\d\d){0,2}")


@dataclass(frozen=True, slots=True)
class _ApiRow:
    """One line of a table."""

    number: int
    cells: dict[str, str]
    path: Path

    def text(self, column: str) -> str:
        return (self.cells.get(column) or "").strip()

    def wrong(self, column: str, why: str) -> BadFile:
        return BadFile(f"{self.path}: row {self.number}, column {column}: {self.cells.get(column)!r} {why}")

    def usd(self, column: str) -> float:
        try:
            value = float(self.cells[column])
        except (TypeError, ValueError) as e:
            raise self.wrong(column, "is not a number") from e
        if not (value >= 0 and isfinite(value)):
            raise self.wrong(column, "must be 0 or more")
        return value

    @property
    def tier(self) -> str:
        tier = self.text("tier").lower() or "standard"
        if tier not in TIERS:
            raise self.wrong("tier", f"is unknown; use {', '.join(TIERS)}, or leave it empty")
        return tier

    @property
    def valid_from(self) -> str:
        column = "valid_from" if self.text("valid_from") else "date"
        day = self.text(column)
        if day and not _DAY.fullmatch(day):
            raise self.wrong(column, "is not a day; write it as 2026-08-17, or leave it empty")
        return day

    @property
    def key(self) -> tuple[str, ...]:
        """The key that rows of one price share; a row without a tier is a price of its own."""
        own = () if self.text("tier") else (str(self.number),)
        return self.cells["model"], self.cells["provider"], self.text("name"), *own


def api_prices(path: Path | None = None, on: date | None = None) -> list[ApiPrice]:
    """The shipped list prices, or those of a CSV with the columns model, provider, input_usd_per_mtok, …

    They are those that hold on a day, the newest ones if it is None.
    """
    path = path or SHIPPED
    try:
        with path.open(encoding="utf-8", newline="") as file:
            cells = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise BadFile(f"API prices {path} cannot be read: {e}") from e
    if not cells or any(c not in cells[0] for c in REQUIRED):
        raise BadFile(f"API prices {path} need a header with {', '.join(REQUIRED)} and at least one row")
    by_price: dict[tuple[str, ...], list[_ApiRow]] = {}
    for number, row in enumerate(cells, 1):
        line = _ApiRow(number, row, path)
        by_price.setdefault(line.key, []).append(line)
    prices = (_price(rows, str(on or date.max)) for rows in by_price.values())
    return [p for p in prices if p]


def _price(rows: list[_ApiRow], on: str) -> ApiPrice | None:
    """The price of rows that share a name; None if it does not hold yet."""
    live = _newest((r for r in rows if r.tier != "batch"), on)
    batch = _newest((r for r in rows if r.tier == "batch"), on)
    if not live:
        if all(r.tier == "batch" for r in rows):
            raise rows[0].wrong("tier", "has no price of live requests beside it; add a standard row")
        return None
    tiers = {"base" if r.tier in BASE else r.tier: r for r in (*live, *batch)}
    if len(tiers) < len(live) + len(batch):
        raise live[-1].wrong("tier", "is stated twice for one name and day; give the rows different names")
    if "base" not in tiers:
        raise live[0].wrong("tier", "has no off-peak price beside it; add an off-peak row of the same day")
    first, peak = tiers["base"], tiers.get("peak")
    return ApiPrice(
        model=first.cells["model"],
        provider=first.cells["provider"],
        name=first.text("name") or first.cells["model"],
        maker=first.text("maker").lower() in ("true", "yes", "1"),
        base=_tier(first),
        peak=_tier(peak) if peak else None,
        peak_hours=_peak_hours(peak) if peak else (),
        peak_days=_peak_days(peak) if peak else DAYS_A_WEEK,
        batch=_tier(tiers["batch"]) if "batch" in tiers else None,
    )


def _newest(rows: Iterable[_ApiRow], on: str) -> list[_ApiRow]:
    """The rows of the newest day up to `on`."""
    begun = [r for r in rows if r.valid_from <= on]
    newest = max((r.valid_from for r in begun), default="")
    return [r for r in begun if r.valid_from == newest]


def _tier(row: _ApiRow) -> TierPrice:
    return TierPrice(
        input=row.usd("input_usd_per_mtok"),
        output=row.usd("output_usd_per_mtok"),
        cached=row.usd("cached_usd_per_mtok") if row.text("cached_usd_per_mtok") else None,
        cache_write=row.usd("cache_write_usd_per_mtok") if row.text("cache_write_usd_per_mtok") else None,
        valid_from=row.valid_from,
        collected=row.text("collected"),
        source=row.text("source") or row.path.name,
        licence=row.text("licence"),
    )


def _peak_hours(row: _ApiRow) -> tuple[tuple[float, float], ...]:
    windows = [_HOURS.fullmatch(text) for text in row.text("peak_hours_utc").split()]
    hours = [tuple(int(x or 0) + int(y or 0) / 60 for x, y in (w.group(1, 2), w.group(3, 4))) for w in windows if w]
    if not windows or None in windows or any(h > 24 for pair in hours for h in pair):
        raise row.wrong("peak_hours_utc", "is not a list of hours; write it as 01:00-04:00 06:00-10:00")
    return tuple((start, end) for start, end in hours)


def _peak_days(row: _ApiRow) -> int:
    text = row.text("peak_days_a_week")
    if text and text not in tuple("1234567"):
        raise row.wrong("peak_days_a_week", "is not a number of days from 1 to 7")
    return int(text or DAYS_A_WEEK)
