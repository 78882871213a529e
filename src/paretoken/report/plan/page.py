"""A plan as a folder: one page that loads nothing, tables as CSV, and the answer as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from paretoken import __version__
from paretoken.answers.plan.result import Bill, PlanAnswer, PlanRow
from paretoken.answers.plan.words import session_words
from paretoken.answers.seam import to_json
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.csv_cells import with_quoted_cells
from paretoken.errors import CannotWrite
from paretoken.report.page import assemble
from paretoken.report.plan import words
from paretoken.report.plan.charts import (
    CostScale,
    HoursChart,
    IntervalMark,
    cost_mark,
    cost_scale,
    fleet_chart,
    limit_mark,
    traffic_chart,
)
from paretoken.report.plan.tables import Table, plan_tables
from paretoken.report.style import Style, style_of

MOST_DETAILED = 12
"""Rows that the page shows in detail; all are in the list and in the tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """A row, and what the page derives from it."""

    row: PlanRow
    bill: Bill | None
    style: Style
    measured: bool
    mark: IntervalMark | None
    limits: tuple[tuple[words.LimitWords, IntervalMark], ...]
    chart: HoursChart
    commands: tuple[tuple[str, int], ...]


def write_plan(answer: PlanAnswer, folder: Path) -> list[Path]:
    """Write plan.html, plan.json and the tables as CSV; CannotWrite where the folder cannot be written to."""
    contents: dict[str, Callable[[Path], object]] = {"plan.html": _text(render_plan(answer))}
    contents |= {f"{stem}.csv": _csv(table) for stem, table in plan_tables(answer).items()}
    contents["plan.json"] = _text(orjson.dumps(to_json(answer), option=orjson.OPT_INDENT_2).decode() + "\n")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_replaced(folder / name, write) for name, write in contents.items()]
    except OSError as e:
        raise CannotWrite(f"--out {folder}: {e.strerror or e}; choose another folder") from e


def render_plan(answer: PlanAnswer) -> str:
    """The page. It loads nothing from anywhere and works without JavaScript."""
    catalog = load_catalog()
    scale = cost_scale(answer.rows)
    fleets = [_view(row, scale, answer.traffic.day_known, catalog) for row in answer.rows]
    return assemble(
        "plan/plan.html.j2",
        ("report.css", "plan/plan.css"),
        "plan/main.js",
        {},
        charts=False,
        version=__version__,
        title="Fleet plan",
        answer=answer,
        fleets=fleets,
        most_detailed=MOST_DETAILED,
        short_command=words.SHORT_COMMAND,
        cost_scale=scale,
        traffic_chart=traffic_chart(answer.traffic.hours, answer.traffic.day_known),
        facts=words.traffic_facts(answer.traffic),
        words=words,
        session_words=session_words,
    )


def _view(row: PlanRow, scale: CostScale, day_known: bool, catalog: Catalog) -> FleetView:
    entry = catalog.accelerators.entries.get(row.accelerator.split("+")[0])
    return FleetView(
        row=row,
        bill=words.cheapest(row),
        style=style_of(row.accelerator, entry.vendor if entry else "", catalog),
        measured=words.is_measured(row),
        mark=cost_mark(row, scale),
        limits=tuple((words.limit_words(limit), limit_mark(limit)) for limit in row.limits),
        chart=fleet_chart(row.hours, day_known),
        commands=tuple((text, text.strip().count("\n") + 1) for text in row.commands),
    )


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _csv(table: Table) -> Callable[[Path], object]:
    # Rows without a bill lack its columns.
    names = list(dict.fromkeys(name for record in table for name in record))
    frame = pl.DataFrame([{name: r.get(name) for name in names} for r in table], infer_schema_length=None)
    return with_quoted_cells(frame).write_csv


def _replaced(path: Path, write: Callable[[Path], object]) -> Path:
    """Write to a temporary file, then move it into place, so that no one reads half a file."""
    partial = path.with_name(f".{path.name}.part")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
