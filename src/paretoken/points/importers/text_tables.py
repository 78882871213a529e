"""Tables in the text of a foreign file, in Markdown or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import takewhile

from paretoken.errors import BadFile
from paretoken.points.importers.document import table_of

_HEAD = 60_000
"""Characters in which a table must begin; fewer than the largest field that the CSV reader takes."""
_RULE = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?")


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
