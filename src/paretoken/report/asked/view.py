"""What a reader sees of an answer: words, charts and tables as plain data, the same on a page and in a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from paretoken.report.numbers import shown
from paretoken.report.plot_page import Plot

Shown: TypeAlias = str | float | None
"""A cell: numbers are rounded and aligned where they are shown, None is a dash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTable:
    """A table; each row has a cell for each head."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    note: str = ""

    @classmethod
    def of(
        cls, title: str, columns: Mapping[str, str], records: Iterable[Mapping[str, object]], note: str = ""
    ) -> AnswerTable:
        """The table of records: `columns` are their keys with the heads."""
        rows = tuple(tuple(cell(record.get(key)) for key in columns) for record in records)
        return cls(title=title, heads=tuple(columns.values()), rows=rows, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """An answer: its words, the first sentence being the answer, then what makes it doubtful, charts and tables."""

    lead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()
    tables: tuple[AnswerTable, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The view as plain values; every plot has lines and marks."""
        return {
            "lead": self.lead,
            "notes": self.notes,
            "plots": [{"lines": [], "marks": [], **plot} for plot in self.plots],
            "tables": [asdict(table) for table in self.tables if table.rows],
        }


def capitalized(head: str) -> str:
    """A head as a page writes it; a unit such as `tok/s/GPU` keeps its small letters."""
    return head if "/" in head.split()[0] else f"{head[:1].upper()}{head[1:]}"


def interval_ends(low: float | None, high: float | None) -> str | None:
    """The two ends of an interval, rounded; None if it lacks one."""
    return None if low is None or high is None else f"{shown(low)} – {shown(high)}"


def cell(value: object) -> Shown:
    """A value as a cell: yes and no for truth, lists joined."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    if isinstance(value, Sequence):
        return ", ".join(_text(item) for item in value) or None
    return str(value)


def _text(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
