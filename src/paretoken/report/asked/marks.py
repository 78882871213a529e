"""Rows of a category axis with a value and its interval: prices by accelerator, bills by fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.report.numbers import rounded
from paretoken.report.plot_page import Plot, table
from paretoken.report.style import Style

BAR_PX = 16
ROW_PX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRow:
    """A value of one name, with the ends of its interval where it has one, and what its mark says."""

    name: str
    value: float
    says: tuple[str, ...]
    style: Style | None = None
    low: float | None = None
    high: float | None = None


def value_bars(rows: Sequence[ValueRow], axis: str, *, prefix: str = "", **texts: str) -> Plot:
    """A bar from 0 for each row, its interval as a line over the bar's end."""
    end = max((r.high or r.value for r in rows), default=1.0) * 1.06
    return {
        **texts,
        "x": {"title": axis, "prefix": prefix, "min": 0, "max": end},
        "y": {"categories": [r.name for r in rows]},
        "bars": [_bar(r, row) for row, r in enumerate(rows)],
        "marks": [_mark(r, row) for row, r in enumerate(rows)],
        "height": 70 + ROW_PX * len(rows),
        "table": table(
            ("Name", axis, "Low", "High"),
            [(r.name, rounded(r.value), rounded(r.low), rounded(r.high)) for r in rows],
        ),
    }


def _colour(style: Style | None) -> list[str]:
    return [style.light, style.dark] if style else ["#1f6fd0", "#74b9e0"]


def _bar(r: ValueRow, row: int) -> dict[str, object]:
    about = {"title": r.name, "rows": list(r.says)}
    shape = {"row": row, "from": 0, "to": r.value, "height": BAR_PX}
    return {**shape, "group": r.name, "color": _colour(r.style), "about": about}


def _mark(r: ValueRow, row: int) -> dict[str, object]:
    """The end of a bar; "none" draws no mark, only the interval."""
    mark: dict[str, object] = {
        "group": r.name,
        "x": r.value,
        "y": row,
        "shape": "none",
        "color": ["#565e6a", "#e8eaed"],
    }
    if r.low is not None and r.high is not None:
        mark |= {"interval": [r.low, r.high], "along": "x"}
    return mark
