"""Tables laid out for a width.

A name is never cut, a number neither cut nor wrapped. What does not fit is made narrower in this order:

1. Titles of columns and long texts wrap, at spaces only.
2. Columns that have the same value in every row are stated once, above the table.
3. Columns fall away: first those that the table calls spare, in its order, then the others from the right. The first
   column and the names that follow it, which tell the rows apart, stay.
4. Where only those would stay, and where there is one row, a row becomes lines of `title  value` with nothing left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from rich.cells import cell_len, chop_cells

from paretoken.cli.cells import is_numeric, texts
from paretoken.foreign_text import visible

GAP = 2
LONG = 20
"""Characters from which a text with spaces may wrap, and its least width."""


@dataclass(frozen=True)
class TableColumn:
    """A column of texts; one of numbers is aligned to the right."""

    title: str
    cells: tuple[str, ...]
    numeric: bool

    @cached_property
    def full(self) -> int:
        """Width at which nothing wraps."""
        return max(map(cell_len, (self.title, *self.cells)))

    @cached_property
    def wraps(self) -> bool:
        return not self.numeric and any(_is_long(cell) for cell in self.cells)

    @cached_property
    def least(self) -> int:
        """Width below which a word or a number would be cut."""
        cells = max(map(cell_len, self.cells), default=0)
        if self.wraps:
            cells = max(min(cells, LONG), *(_longest_word(cell) for cell in self.cells))
        return max(cells, _longest_word(self.title))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Lines of a table, the titles apart; the columns stated once, and those left out, by position."""

    head: list[str]
    body: list[str]
    same: list[int]
    left_out: list[int]


def column(title: str, values: Sequence[object]) -> TableColumn:
    """A column of any values, in which nothing is obeyed by a terminal."""
    return TableColumn(visible(title), tuple(map(visible, texts(values))), is_numeric(values))


def draw(columns: Sequence[TableColumn], width: int | None, spare: Sequence[int] = ()) -> Drawn:
    """The table in lines of at most this width; without one, every column in full.

    `spare` has positions of columns, the one to leave out first at the start.
    """
    everything = list(range(len(columns)))
    if width is None:
        return _drawn(columns, everything, [c.full for c in columns], [])
    names, kept = _names(columns), list(everything)
    order = list(dict.fromkeys([*spare, *reversed(everything)]))
    same = [i for i in order if i and len(set(columns[i].cells)) == 1]
    for i in dict.fromkeys([*same, *(i for i in order if i in spare or i not in names)]):
        if _total(columns[k].least for k in kept) <= width:
            break
        kept.remove(i)
    whole, fits = len(kept) == len(columns), _total(columns[k].least for k in kept) <= width
    if not whole and (not fits or len(columns[0].cells) == 1 or set(kept) <= set(names)):
        return Drawn([], _records(columns, width), [], [])
    return _drawn(columns, kept, _widths([columns[i] for i in kept], width), same)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most this width, broken at spaces; a longer word is a line of its own."""
    if cell_len(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _names(columns: Sequence[TableColumn]) -> list[int]:
    """The columns that tell the rows apart: the first, and the short texts that follow it."""
    following = takewhile(lambda i: not columns[i].numeric and not columns[i].wraps, range(1, len(columns)))
    return [0, *following]


def _widths(columns: Sequence[TableColumn], width: int) -> list[int]:
    """The least widths, and what room is left to the columns that wrap most."""
    widths = [c.least for c in columns]
    for _ in range(width - _total(widths)):
        narrow = [i for i, c in enumerate(columns) if widths[i] < c.full]
        if not narrow:
            break
        widths[max(narrow, key=lambda i: columns[i].full / max(1, widths[i]))] += 1
    return widths


def _drawn(columns: Sequence[TableColumn], kept: Sequence[int], widths: Sequence[int], same: Sequence[int]) -> Drawn:
    shown = [columns[i] for i in kept]
    rows = [[wrapped(c.title, w) for c, w in zip(shown, widths, strict=True)]]
    rows += [
        [wrapped(cell, w) for cell, w in zip(cells, widths, strict=True)]
        for cells in zip(*(c.cells for c in shown), strict=True)
    ]
    used = [max(cell_len(line) for row in rows for line in row[i]) for i in range(len(shown))]
    head, *body = (_lines(row, used, [c.numeric for c in shown], bottom=k == 0) for k, row in enumerate(rows))
    gone = [i for i in range(len(columns)) if i not in kept]
    lines = [line for row in body for line in row]
    return Drawn(head, lines, [i for i in gone if i in same], [i for i in gone if i not in same])


def _lines(row: Sequence[list[str]], widths: Sequence[int], right: Sequence[bool], *, bottom: bool) -> list[str]:
    """A row of wrapped cells as lines; `bottom` puts short cells on the last of them."""
    height = max(map(len, row))
    blanks = [[""] * (height - len(cell)) for cell in row]
    full = [[*b, *cell] if bottom else [*cell, *b] for cell, b in zip(row, blanks, strict=True)]
    return [
        (" " * GAP).join(_padded(cell[k], w, r) for cell, w, r in zip(full, widths, right, strict=True)).rstrip()
        for k in range(height)
    ]


def _records(columns: Sequence[TableColumn], width: int) -> list[str]:
    """Each row as lines of `title  value`, a blank line between rows; only a word longer than a line is broken."""
    margin = min(max(cell_len(c.title) for c in columns), max(1, width * 3 // 5 - GAP))
    room = max(1, width - margin - GAP)
    lines: list[str] = []
    for cells in zip(*(c.cells for c in columns), strict=True):
        for c, cell in zip(columns, cells, strict=True):
            lines += _lines(
                [_chopped(c.title, margin), _chopped(cell, room)], (margin, room), (False,) * 2, bottom=False
            )
        lines.append("")
    return lines[:-1]


def _chopped(text: str, width: int) -> list[str]:
    return [part for line in wrapped(text, width) for part in (chop_cells(line, width) or [""])]


def _padded(text: str, width: int, right: bool) -> str:
    blank = " " * (width - cell_len(text))
    return blank + text if right else text + blank


def _total(widths: Iterable[int]) -> int:
    every = list(widths)
    return sum(every) + GAP * (len(every) - 1)


def _is_long(text: str) -> bool:
    return cell_len(text) > LONG and " " in text.strip() and any(map(str.isalpha, text))


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")))
