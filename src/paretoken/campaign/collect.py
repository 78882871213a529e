"""Results come home: the points of all cells in one table, and how far everything is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from paretoken.bench.run_folder import SUMMARY, RunFolder
from paretoken.campaign.matrix import Cell
from paretoken.campaign.state import DONE, PENDING, POINTS, RUNNING, CampaignFolder, JobFolder, locked
from paretoken.campaign.telemetry import point_columns

INTERRUPTED = "interrupted"
COLLECTING, COLLECT_WITHIN_S = ".collecting", 60.0


def collect(folder: CampaignFolder) -> int:
    """Write points.parquet of the campaign anew from those of its cells; how many points there are.

    Jobs of a cluster may do so at once: one after another, so that the last one leaves all that is there.
    """
    with locked(folder.folder / COLLECTING, COLLECT_WITHIN_S):
        return _collect(folder)


def _collect(folder: CampaignFolder) -> int:
    from paretoken.bench.stats.point import points_frame
    from paretoken.points.files import write_points

    points = [point for job in folder.jobs() for point in _points(folder.of(job))]
    if not points:
        return 0
    table = points_frame(points)
    partial = folder.folder / f".{POINTS}"
    write_points(table, partial)
    partial.replace(folder.folder / POINTS)
    return table.height


def _points(job: JobFolder) -> list[dict[str, Any]]:
    """The sound points of a job, with what telemetry adds and the version that is installed, which some do not tell."""
    starts = [start for start in job.status()["starts"] if start.get("installed_version")]
    version = {"engine_version": starts[-1]["installed_version"]} if starts else {}
    runs = [RunFolder(job.cell_folder(cell)) for cell in job.job.cells]
    return [
        {**level.point, **version, **point_columns(level.folder)}
        for run in runs
        for level in run.levels()
        if not level.summary.failed
    ]


def status(folder: CampaignFolder, queue: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """One row for each cell, in the order run: how many points of how many, and why it failed if it did.

    `queue` is what a scheduler says of jobs by their number.
    """
    of = folder.about()["points_per_cell"]
    rows = []
    for job in folder.jobs():
        place = folder.of(job)
        busy = place.running_now()
        queued = (queue or {}).get(job.number)
        rows += [_row(place, cell, of, busy) | {"queue": queued} for cell in job.cells]
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
