"""The form of what is printed: `--json`, `--format` and `--wide`, kept in click's context for `output.print_table`.

With csv and markdown only tables go to stdout; sentences go to stderr. CSV has one header: it holds the first table,
and the later ones that have its columns or more, such as the same table for another bound. It is written when the
command ends.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import rich_click as click
from click.globals import get_current_context
from rich.cells import cell_len

from paretoken.cli.cells import is_numeric, raw_columns, texts
from paretoken.csv_cells import quoted
from paretoken.foreign_text import markdown_text, visible

KEY = "paretoken.format"
FORMATS = ("table", "csv", "markdown", "json")
TABLE = "table"
"""Title of the column that names the table of a row, where a CSV holds several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintedTable:
    """A table as it is printed; `names` are its column titles, each once."""

    title: str
    columns: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    note: str = ""

    def values(self, name: str) -> list[object]:
        """A column by its name; nothing in every row if the table has none of this name."""
        i = self.names.index(name) if name in self.names else None
        return [None if i is None else row[i] for row in self.rows]


@dataclass(slots=True)
class Form:
    """The form that a command prints in, and the tables kept for its CSV."""

    name: str = "table"
    wide: bool = False
    tables: list[PrintedTable] = field(default_factory=list)

    @property
    def only_tables(self) -> bool:
        """Whether stdout is for tables alone."""
        return self.name in ("csv", "markdown")


def form() -> Form:
    """The form of the running command."""
    context = get_current_context(silent=True)
    return _form(context) if context else Form()


def take_format(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Keep --format; a CSV is written when the command ends."""
    chosen = _form(ctx)
    if value is not None:
        chosen.name = value
    if value == "csv":
        ctx.call_on_close(lambda: _write_csv(chosen.tables))


def take_wide(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Keep --wide."""
    _form(ctx).wide = value


def take_json(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """Whether to print JSON, by --json or --format json."""
    name = _form(ctx).name
    if value and name in ("csv", "markdown"):
        raise click.BadParameter(f"--json and --format {name} exclude each other; leave one out.", ctx, param)
    return value or name == "json"


def names_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The titles of columns, each once: `90 %` after `TPOT ms` is `TPOT ms 90 %`.

    A title is a name of its own if it has letters and does not repeat; else it is part of the one before it.
    """
    names: list[str] = []
    for i, title in enumerate(columns):
        own = [n for n in columns[: i + 1] if any(map(str.isalpha, n)) and list(columns).count(n) == 1]
        name = title if own[-1:] == [title] else f"{own[-1]} {title}".strip() if own and title else title
        names.append(name if name and name not in names else f"{title} column {i + 1}".strip())
    return tuple(names)


def csv_of(tables: Sequence[PrintedTable]) -> str:
    """The first table and those with its columns or more, as RFC 4180; cells that begin like a formula are quoted."""
    main = [table for table in tables if _joins(tables[0], table)]
    names = dict.fromkeys(name for table in main for name in table.names)
    columns = [c for name in names for c in raw_columns(name, [v for table in main for v in table.values(name)])]
    if len(main) > 1:
        columns.insert(0, (TABLE, [table.title.strip() for table in main for _ in table.rows]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_written(title) for title, _ in columns)
    writer.writerows(map(_written, row) for row in zip(*(cells for _, cells in columns), strict=True))
    return text.getvalue()


def markdown_of(table: PrintedTable) -> str:
    """The table in GitHub's Markdown, aligned, with its title before it and its note after it."""
    cells = [
        [markdown_text(t) for t in (title, *texts(table.values(name)))]
        for title, name in zip(table.columns, table.names, strict=True)
    ]
    widths = [max(3, *map(cell_len, column)) for column in cells]
    right = [is_numeric(table.values(name)) for name in table.names]
    rule = [f"{'-' * (w - 1)}:" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    lines = [
        " | ".join(
            f"{' ' * (w - cell_len(cell))}{cell}" if r else f"{cell}{' ' * (w - cell_len(cell))}"
            for cell, w, r in zip(row, widths, right, strict=True)
        )
        for row in zip(*cells, strict=True)
    ]
    head, *body = (f"| {line} |" for line in lines)
    parts = [f"**{markdown_text(table.title.strip())}**", "\n".join([head, f"| {' | '.join(rule)} |", *body])]
    return "\n\n".join([*parts, *([markdown_text(table.note)] if table.note else [])]) + "\n"


def _form(context: click.Context) -> Form:
    kept: Form = context.meta.setdefault(KEY, Form())
    return kept


def _write_csv(tables: Sequence[PrintedTable]) -> None:
    if not tables:
        return
    click.echo(csv_of(tables), nl=False)
    others = [t.title.strip() for t in tables if not _joins(tables[0], t)]
    if others:
        click.echo(visible(f"not in the CSV, which has one header: {'; '.join(others)}"), err=True)


def _written(cell: str) -> str:
    return quoted(visible(cell))


def _joins(main: PrintedTable, table: PrintedTable) -> bool:
    a, b = set(main.names), set(table.names)
    return a <= b or b <= a
