"""Figures as tools write them: statistics of one distribution, shares of failed requests, tables in Markdown and CSV.

A statistic of null or 0 measured nothing and is left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile

from paretoken.errors import BadFile
from paretoken.points.importers.document import table_of
from paretoken.points.importers.reading import dig, ratio, scaled
from paretoken.points.values import number

STATISTICS = {
    "mean": "mean",
    "avg": "mean",
    "median": "median",
    "p50": "median",
    "p90": "p90",
    "p95": "p95",
    "p99": "p99",
    "p999": "p999",
}
"""A tool's word for a statistic -> that of the schema."""
_HEAD = 60_000
"""Characters in which a table must begin; fewer than the largest field that the CSV reader takes."""
_RULE = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?")


def statistics(distribution: object, latency: str, factor: float = 1.0) -> dict[str, object]:
    """The columns in seconds of one latency (ttft, tpot, itl, e2e) out of `{"mean": 1.2, "p99": 3.4}`."""
    columns: dict[str, object] = {}
    for word, ours in STATISTICS.items():
        value = dig(distribution, word)
        if not is_nothing(value):
            columns.setdefault(f"{ours}_{latency}_s", scaled(value, factor))
    return columns


def is_nothing(value: object) -> bool:
    """Whether the value is null, empty, a dash, 0 or not a number: what tools write where they measured nothing."""
    if value is None or (isinstance(value, float) and value != value):
        return True
    return str(value).strip().casefold() in ("", "-", "nan", "n/a", "null", "none") or number(value) == 0


def without_nothing(columns: Mapping[str, object]) -> dict[str, object]:
    """The columns that were measured."""
    return {name: value for name, value in columns.items() if not is_nothing(value)}


def error_rate(failed: object, total: object) -> dict[str, object]:
    """The share of failed requests as a column, where the file counts both."""
    share = ratio(failed, total)
    return {} if share is None else {"error_rate": share}


def inverse(value: object) -> object:
    """1 over a rate; other values stay, so that the check can name them."""
    rate = number(value)
    return 1 / rate if rate else value


def mean_of(values: Iterable[float]) -> float | None:
    """Their arithmetic mean, None where there are none."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else None


def numbers_of(values: object) -> list[float]:
    """The finite numbers above 0 of a list."""
    numbers = (number(v) for v in values) if isinstance(values, list) else ()
    return [v for v in numbers if v is not None and v > 0]


def has_table(text: str, columns: set[str]) -> bool:
    """Whether the text holds a table, in Markdown or CSV, with these columns."""
    head = text[:_HEAD]
    if any(columns <= set(header) for header, _ in _markdown_tables(head)):
        return True
    try:
        return columns <= {name.strip() for name in next(csv.reader(io.StringIO(head, newline="")), [])}
    except csv.Error:
        return False


def rows_of(text: str, columns: set[str], file: str) -> list[dict[str, str]]:
    """The rows of every Markdown table with these columns, else those of the text as CSV; BadFile if it is neither."""
    tables = [(header, lines) for header, lines in _markdown_tables(text) if columns <= set(header)]
    if tables:
        return [dict(zip(header, _cells(line), strict=False)) for header, lines in tables for line in lines]
    try:
        return table_of(text)
    except csv.Error as e:
        raise BadFile(f"{file} is not a CSV table: {e}") from e


def _markdown_tables(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The header and the lines of each table."""
    above, lines = "", iter(text.splitlines())
    for line in lines:
        if above and "|" in line and _RULE.fullmatch(line.strip()):
            yield _cells(above), list(takewhile(_in_table, lines))
            line = ""
        above = line


def _in_table(line: str) -> bool:
    return "|" in line


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
