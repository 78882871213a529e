"""An answer as HTML for Jupyter: its sentence, its table, where the figures are from, and the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from paretoken.answers.rows import Row
from paretoken.foreign_text import visible
from paretoken.significant import NONE, significant

MOST_ROWS = 30
MOST_COLUMNS = 12


def page(sentence: str, rows: Sequence[Row], shown: Sequence[str], notes: Mapping[str, str]) -> str:
    """The HTML, everything escaped: at most 30 rows, of the columns `shown` or of the first 12 that differ by row."""
    columns = columns_of(rows, shown)
    head = "".join(f"<th>{_text(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(_cell(row.get(c)) for c in columns)}</tr>" for row in rows[:MOST_ROWS])
    more = f"{len(rows) - MOST_ROWS:,} more rows; to_polars() has all" if len(rows) > MOST_ROWS else ""
    lines = {"": more, **notes}
    foot = "".join(f"<div>{_text(f'{k}: ' if k else '')}{_text(v)}</div>" for k, v in lines.items() if v)
    title = f"<p><strong>{_text(sentence)}</strong></p>" if sentence else ""
    return f"<div>{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><small>{foot}</small></div>"


def columns_of(rows: Sequence[Row], shown: Sequence[str]) -> list[str]:
    """The columns to show, without those that no row has a value in."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            if value not in (None, ""):
                values.setdefault(name, []).append(value)
    if shown:
        return [name for name in shown if name in values]
    differ = [n for n, v in values.items() if len(rows) == 1 or len(v) < len(rows) or any(x != v[0] for x in v)]
    return differ[:MOST_COLUMNS] or list(values)[:MOST_COLUMNS]


def _cell(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td style="text-align:right">{significant(value)}</td>'
    return f'<td style="text-align:left">{NONE if value is None else _text(str(value))}</td>'


def _text(words: str) -> str:
    return escape(visible(words))
