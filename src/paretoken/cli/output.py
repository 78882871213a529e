"""How results are printed: JSON for programs, tables and lines for people.

Names come from files and servers. What a terminal would obey in them is shown instead, and brackets are text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paretoken.cli.money import Currency, currency
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible, visible_lines

NONE = "–"
WIDTH_OF_A_PIPE = 160


class Screen(Console):
    """A console on which every string is one line of plain text; line breaks count only at its start."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(_one_line(text), **how)


def echo(line: object = "", *, err: bool = False) -> None:
    """Print one line."""
    click.echo(visible(str(line)), err=err)


def echo_lines(text: object, *, err: bool = False, end: str = "\n") -> None:
    """Print a text whose line breaks are our own."""
    click.echo(visible_lines(f"{text}{end}"), err=err, nl=False)


def echo_script(text: str) -> None:
    """Print a script: byte for byte to a file or pipe, with control characters made visible on a terminal."""
    click.echo(visible_lines(text) if sys.stdout.isatty() else text, nl=False)


def with_bold(*pieces: str | tuple[str, str]) -> Text:
    """A line for `console().print`; a piece (text, "bold") is bold."""
    styled = (piece if isinstance(piece, tuple) else (piece, "") for piece in pieces)
    return Text.assemble(*((_one_line(text), style) for text, style in styled))


def _one_line(text: str) -> str:
    """The text with everything visible but the line breaks at its start."""
    line = text.lstrip("\n")
    return text[: len(text) - len(line)] + visible(line)


def print_json(value: Any) -> None:
    """JSON on stdout; its money is in USD, as the names of its fields say."""
    if currency().note:
        raise BadConfig("--json prints USD, as the names of its fields say; leave out --currency and --usd-rate")
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY, default=str))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    note: str = "",
    spare: Sequence[str] = (),
) -> None:
    """A table on stdout; numbers to the right, None as a dash. Columns keep their content on a pipe.

    Columns of money, with `$` or `USD` in their title, are in the currency of the command, whose rate the note states.
    On a terminal too narrow for all of them, those of `spare` are left out, the first first, and the title says so.
    Names of `spare` that are no columns do not count.
    """
    out, money = console(), currency()
    table_rows = [list(row) for row in rows]
    if money.note:
        titles, table_rows = _converted(money, columns, table_rows)
        spare = [dict(zip(columns, titles, strict=True)).get(name, name) for name in spare]
        if titles != list(columns):
            note = money.renamed(note)
        if money.names(title, note, *titles):
            note = f"{note}{' ' if note.endswith('.') else '; ' if note else ''}{money.note}"
        columns = titles
    cells = [[number(v) for v in row] for row in table_rows]
    kept = _that_fit(columns, cells, out.width, spare)
    if left_out := [name for i, name in enumerate(columns) if i not in kept]:
        title += f" (columns left out: {', '.join(left_out)})"
    columns, cells = [columns[i] for i in kept], [[row[i] for i in kept] for row in cells]
    out.print(title, style="bold")
    table = Table(header_style="bold", box=None, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = all(_is_number(row[i]) for row in cells)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in cells:
        table.add_row(*row)
    out.print(table)
    if note:
        out.print(note, style="dim")


def _converted(money: Currency, columns: Sequence[str], rows: list[list[Any]]) -> tuple[list[str], list[list[Any]]]:
    """The columns and rows of a table with its money in another currency."""
    pairs = [money.column(title, [row[i] for row in rows]) for i, title in enumerate(columns)]
    return [title for title, _ in pairs], [list(row) for row in zip(*(cells for _, cells in pairs), strict=True)]


def _that_fit(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int, spare: Sequence[str]) -> list[int]:
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    kept = list(range(len(columns)))
    for name in (name for name in spare if name in columns):
        if sum(widths[i] for i in kept) + 2 * (len(kept) - 1) <= width:
            break
        kept.remove(list(columns).index(name))
    return kept


def console(*, stderr: bool = False) -> Screen:
    screen = Screen(stderr=stderr)
    return screen if screen.is_terminal else Screen(stderr=stderr, width=WIDTH_OF_A_PIPE)


def number(value: Any) -> str:
    """A value for a table cell: floats to four significant digits, thousands apart."""
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def percent(value: float | None) -> str:
    return NONE if value is None else f"{value:+.1%}"


def _is_number(cell: str) -> bool:
    return (
        cell == NONE or cell.replace(",", "").lstrip("+-").rstrip("%").replace(".", "", 1).replace("e-", "").isdigit()
    )
