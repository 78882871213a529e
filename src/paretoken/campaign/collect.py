"""Results of a campaign: the points of all cells in one table, and the progress of every cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paretoken.bench.run_folder import SUMMARY, RunFolder
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS
from paretoken.campaign.matrix import MatrixCell
from paretoken.campaign.state import DONE, PENDING, POINTS, RUNNING, CampaignFolder, JobFolder, PointNow, locked
from paretoken.campaign.telemetry import point_columns

INTERRUPTED = "interrupted"
COLLECTING, COLLECT_WITHIN_S = ".collecting", 60.0


def collect(folder: CampaignFolder) -> int:
    """Rewrite points.parquet of the campaign from the points of its cells; returns their number.

    Jobs of a cluster may call this at the same time: they take turns, so that the last one writes all points.
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


def _points(job: JobFolder) -> list[dict[str, str | int | float | bool | None]]:
    """The points of a job but for failed levels, with telemetry and the installed version of the engine."""
    starts = [start for start in job.status()["starts"] if start.get("installed_version")]
    version = {"engine_version": str(starts[-1]["installed_version"])} if starts else {}
    runs = [RunFolder(job.cell_folder(cell)) for cell in job.job.cells]
    return [
        {**level.point, **version, **point_columns(level.folder)}
        for run in runs
        for level in run.levels()
        if TOO_MANY_ERRORS not in level.summary
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProgress:
    """One cell: `points` of `of` are measured, `point` is the one that runs; `queue` is the scheduler's word."""

    job: int
    repeat: int
    accelerator: str
    engine: str
    model: str
    precision: str
    tp: int
    ep: int
    dp_attention: bool
    workload: str
    status: str
    points: int
    of: int
    point: PointNow | None
    attempts: int
    reason: str | None
    kind: str | None
    folder: str
    queue: str | None


def status(folder: CampaignFolder, queue: Mapping[int, str] | None = None) -> list[CellProgress]:
    """The progress of each cell, in the order run; `queue` is the state of jobs at a scheduler, by number."""
    of = folder.record()["points_per_cell"]
    rows = []
    for job in folder.jobs():
        job_folder = folder.of(job)
        running = job_folder.running_now()
        queued = (queue or {}).get(job.number)
        rows += [_progress(job_folder, cell, of, running, queued) for cell in job.cells]
    return rows


def _progress(job_folder: JobFolder, cell: MatrixCell, of: int, running: bool, queued: str | None) -> CellProgress:
    record, serving, job = job_folder.cell(cell), cell.serving, job_folder.job
    interrupted = record["status"] == RUNNING and not running
    now = INTERRUPTED if interrupted else record["status"]
    return CellProgress(
        job=job.number,
        repeat=job.repeat,
        accelerator=serving.accelerator,
        engine=serving.engine,
        model=serving.model,
        precision=serving.precision,
        tp=serving.tp,
        ep=serving.ep,
        dp_attention=serving.dp_attention,
        workload=cell.workload,
        status=now,
        points=sum(1 for _ in job_folder.cell_folder(cell).glob(f"levels/*/{SUMMARY}")),
        of=of,
        point=record.get("point") if now == RUNNING else None,
        attempts=len(record["attempts"]),
        reason=record.get("reason") if now not in (DONE, PENDING) or record["attempts"] else None,
        kind=record.get("kind"),
        folder=str(job_folder.cell_folder(cell)),
        queue=queued,
    )
