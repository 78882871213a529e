"""Results come home: the points of all cells in one table, and how far everything is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from paretoken.campaign.matrix import Cell
from paretoken.campaign.state import DONE, PENDING, POINTS, RUNNING, CampaignFolder, JobFolder
from paretoken.load.runs import POINTS as RUN_POINTS
from paretoken.load.runs import SUMMARY

INTERRUPTED = "interrupted"


def collect(folder: CampaignFolder) -> int:
    """Write points.parquet of the campaign anew from those of its cells; how many points there are."""
    import polars as pl

    from paretoken.records.files import write_points

    found = [
        pl.read_parquet(file)
        for job in folder.jobs()
        for cell in job.cells
        if (file := folder.of(job).cell_folder(cell) / RUN_POINTS).is_file()
    ]
    found = [table for table in found if table.height]
    if not found:
        return 0
    table = pl.concat(found)
    partial = folder.folder / f".{POINTS}"
    write_points(table, partial)
    partial.replace(folder.folder / POINTS)
    return table.height


def status(folder: CampaignFolder) -> list[dict[str, Any]]:
    """One row for each cell, in the order run: how many points of how many, and why it failed if it did."""
    of = folder.about()["points_per_cell"]
    rows = []
    for job in folder.jobs():
        place = folder.of(job)
        busy = place.running_now()
        rows += [_row(place, cell, of, busy) for cell in job.cells]
    return rows


def _row(place: JobFolder, cell: Cell, of: int, busy: bool) -> dict[str, Any]:
    state = place.cell(cell)
    now = state["status"]
    if now == RUNNING and not busy:
        now = INTERRUPTED
    return {
        "job": place.job.number,
        "repeat": place.job.repeat,
        **asdict(cell.serving),
        "workload": cell.workload,
        "status": now,
        "points": sum(1 for _ in place.cell_folder(cell).glob(f"levels/*/{SUMMARY}")),
        "of": of,
        "point": state.get("point") if now == RUNNING else None,
        "attempts": len(state["attempts"]),
        "reason": state.get("reason") if now not in (DONE, PENDING) or state["attempts"] else None,
        "kind": state.get("kind"),
        "folder": str(place.cell_folder(cell)),
    }
