"""A plan as tables of plain values, for spreadsheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from paretoken.answers.plan.result import Bill, PlanAnswer, PlanRow

Cell = str | int | float | bool | None
Table = list[dict[str, Cell]]
ELSEWHERE = ("hours", "limits", "bills", "commands")
"""Fields of a row that have tables of their own, or many lines."""


def plan_tables(answer: PlanAnswer) -> dict[str, Table]:
    """Tables by the stem of their file: fleets with their bills, hours, limits, traffic, and what was left out."""
    tables = {
        "plan": [record for row in answer.rows for record in _bills(row)],
        "hours": [_head(row) | asdict(h) for row in answer.rows for h in row.hours],
        "limits": [_head(row) | asdict(limit) for row in answer.rows for limit in row.limits],
        "traffic": [asdict(h) for h in answer.traffic.hours],
        "left_out": [asdict(left) for left in answer.left_out],
    }
    return {stem: table for stem, table in tables.items() if table}


def _head(row: PlanRow) -> dict[str, Cell]:
    return {"rank": row.rank, "name": row.name}


def _bills(row: PlanRow) -> Table:
    """The row once for each bill; once without one where nothing has a price."""
    fleet = {name: _cell(value) for name, value in asdict(row).items() if name not in ELSEWHERE}
    return [fleet | _bill(bill) for bill in row.bills] or [fleet]


def _bill(bill: Bill) -> dict[str, Cell]:
    """The bill with the ends of each interval in columns of their own."""
    cells: dict[str, Cell] = {}
    for name, value in asdict(bill).items():
        if name.endswith("_90"):
            stem = name.removesuffix("_90")
            cells[f"{stem}_low"], cells[f"{stem}_high"] = value or (None, None)
        else:
            cells[name] = value
    return cells


def _cell(value: Cell | Sequence[str] | Mapping[str, Cell]) -> Cell:
    """A list of texts as one cell."""
    return value if value is None or isinstance(value, (str, int, float, bool)) else "; ".join(map(str, value))
