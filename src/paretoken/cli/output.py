"""How results are printed: JSON for programs, tables and lines for people.

Names come from files and servers. What a terminal would obey in them is shown instead, and brackets are text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import rich_click as click
from rich.console import Console
from rich.text import Text

from paretoken.answers.currency import Currency
from paretoken.cli.formats import PrintedTable, form, markdown_of, names_of
from paretoken.cli.layout import column, draw
from paretoken.cli.money import currency
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible, visible_lines
from paretoken.plural import counted
from paretoken.significant import NONE

WIDTH_OF_A_PIPE = 160


class Screen(Console):
    """A console on which every string is one line of plain text; line breaks count only at its start.

    On a terminal, which it `fits`, the line wraps at spaces; COLUMNS and colours that are forced change no pipe.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        self.fits = (sys.stderr if stderr else sys.stdout).isatty()
        width = None if self.fits else WIDTH_OF_A_PIPE
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(_one_line(text), **how)


def echo(line: object = "", *, err: bool = False) -> None:
    """Print one line; on a terminal it wraps at spaces, on stderr as the terminal does."""
    out = console(stderr=err)
    if out.fits and not err:
        out.print(str(line))
    else:
        click.echo(_one_line(str(line)), err=out.stderr)


def echo_lines(text: object, *, err: bool = False) -> None:
    """Print the lines of a text, each as `echo` does."""
    for line in str(text).split("\n"):
        echo(line.replace("\t", "    "), err=err)


def echo_script(text: str) -> None:
    """Print a script: byte for byte to a file or pipe, with control characters made visible on a terminal."""
    click.echo(visible_lines(text) if sys.stdout.isatty() else text, nl=False)


def echo_commands(text: str) -> None:
    """Print commands to copy, beside an answer: they wrap as the terminal does, so that they stay one line."""
    click.echo(visible_lines(text), err=form().only_tables)


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
        raise BadConfig("JSON is in USD, as the names of its fields say; leave out --currency and --usd-rate")
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY, default=str))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    note: str = "",
    spare: Sequence[str] = (),
    empty: str = "",
    units: Mapping[str, str] | None = None,
) -> None:
    """A table on stdout, in the form of the command; without rows only a sentence, `empty` if given.

    Columns of money, with `$` or `USD` in their title, are in the currency of the command, whose rate the note states.
    `layout` fits the table to a terminal; `spare` names the columns to leave out first, the least important first, and
    may name a column that the table does not have. A pipe and --wide get every column in full. `units` are of columns
    whose unit is in the title of the table; a CSV has it in theirs.
    """
    table = _table(title, columns, [tuple(row) for row in rows], note, units or {})
    chosen = form()
    chosen.tables.append(table)
    if not table.rows:
        console().print(empty or f"{title}: none")
    elif chosen.name == "markdown":
        click.echo(("\n" if len(chosen.tables) > 1 else "") + markdown_of(table), nl=False)
    elif chosen.name != "csv":
        renamed = dict(zip(columns, table.columns, strict=True))
        _print(table, [renamed.get(name, name) for name in spare], wide=chosen.wide)


def _print(table: PrintedTable, spare: Sequence[str], *, wide: bool) -> None:
    """The table in lines that fit the terminal, and below its title what is left out."""
    out = console()
    columns = [column(title, table.values(name)) for title, name in zip(table.columns, table.names, strict=True)]
    unneeded = [
        i for name in spare for i in reversed(range(len(columns))) if name == table.names[i] or name == table.columns[i]
    ]
    drawn = draw(columns, None if wide or not out.fits else out.width, list(dict.fromkeys(unneeded)))
    out.print(table.title, style="bold")
    names = names_of(table.columns)
    if drawn.same:
        out.print(f"in every row: {', '.join(f'{names[i]} {columns[i].cells[0]}' for i in drawn.same)}", style="dim")
    if drawn.left_out:
        out.print(_left_out([names[i] for i in drawn.left_out], out.width), style="dim")
    lines = Text("\n").join([*(Text(line, style="bold") for line in drawn.head), *map(Text, drawn.body)])
    out.print(lines, soft_wrap=True)
    if table.note:
        out.print(table.note, style="dim")


def _left_out(names: Sequence[str], width: int) -> str:
    """The columns that a terminal has no room for, in one line."""
    end = "(--wide shows all)"
    for shown in range(len(names), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        line = f"left out: {', '.join(names[:shown])}{more} {end}"
        if len(line) <= width:
            return line
    return f"{counted(len(names), 'column')} left out {end}"


def _table(
    title: str, columns: Sequence[str], rows: list[tuple[Any, ...]], note: str, units: Mapping[str, str]
) -> PrintedTable:
    """The table with its money in the currency of the command."""
    money = currency()
    titles = list(columns)
    if money.note:
        titles, converted = _converted(money, columns, rows)
        rows = [tuple(row) for row in converted]
        if titles != list(columns):
            note = money.renamed(note)
        if money.names(title, note, *titles):
            note = f"{note}{' ' if note.endswith('.') else '; ' if note else ''}{money.note}"
    names = tuple(f"{name}, {units[name]}" if name in units else name for name in names_of(titles))
    return PrintedTable(title=title, columns=tuple(titles), names=names, rows=tuple(rows), note=note)


def _converted(
    money: Currency, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[list[str], list[list[Any]]]:
    """The columns and rows of a table with its money in another currency."""
    pairs = [money.column(title, [row[i] for row in rows]) for i, title in enumerate(columns)]
    return [title for title, _ in pairs], [list(row) for row in zip(*(cells for _, cells in pairs), strict=True)]


def console(*, stderr: bool = False) -> Screen:
    """The screen of sentences: stderr while stdout is for tables alone."""
    return Screen(stderr=stderr or form().only_tables)


def percent(value: float | None) -> str:
    return NONE if value is None else f"{value:+.1%}"
