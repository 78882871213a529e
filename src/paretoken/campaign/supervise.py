"""Supervise a job: its worker is a process of its own, so that a crash or a delay costs one attempt of one cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from paretoken.campaign.matrix import MatrixCell
from paretoken.campaign.state import FAILED, CampaignFolder, JobFolder, now
from paretoken.engines.process import ServerProcess
from paretoken.errors import BadConfig

POLL_S = 0.3
STOP_WITHIN_S = 45.0
"""Time for a worker to stop its server, which has a grace period of its own."""
FREE_WITHIN_S = 45.0
TAIL_LINES = 6


def supervise(
    folder: CampaignFolder,
    number: int,
    on_progress: Callable[[], None] = lambda: None,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run a job with as many workers, one after another, as it takes. Afterwards none of its cells is open."""
    job = folder.of(folder.job(number))
    timeout_s, retries = folder.campaign().run.point_timeout_s, folder.campaign().run.retries
    _wait_until_free(job, clock, sleep)
    while open_cells := job.open_cells():
        for cell in open_cells:  # left by a killed worker, perhaps days ago
            job.note_cell(cell, point=None)
        log = job.folder / f"worker.{len(list(job.folder.glob('worker.*.log'))) + 1}.log"
        worker = ServerProcess(f"the worker of {job.job.slug}", worker_command(folder.folder, number), log)
        worker.start()
        try:
            late = _watch(job, worker, timeout_s, on_progress, clock, sleep)
            if late is None and (worker.ended or job.open_cells()):
                _crashed(job, worker, retries)
        finally:
            worker.stop(STOP_WITHIN_S)
        if late is not None:
            job.failed(late, f"a point took longer than point_timeout_s = {timeout_s:g} s", "timeout", retries)
    if any(job.cell(cell)["status"] == FAILED for cell in job.job.cells):
        job.note(status=FAILED, ended=now())


def _wait_until_free(job: JobFolder, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Wait for the worker of a run that was just killed; BadConfig if it does not end."""
    until = clock() + FREE_WITHIN_S
    while job.running_now():
        if clock() > until:
            raise BadConfig(f"another process is working on {job.folder}; wait for it, or stop it")
        sleep(POLL_S)


def worker_command(out: Path, number: int) -> list[str]:
    return [sys.executable, "-P", "-m", "paretoken", "campaign", "work", str(out), str(number)]


def _watch(
    job: JobFolder,
    worker: ServerProcess,
    timeout_s: float,
    on_progress: Callable[[], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> MatrixCell | None:
    """Wait until the worker ends; returns the cell whose point is overdue, if there is one."""
    while worker.ended is None:
        if late := overdue(job, timeout_s, clock()):
            return late
        on_progress()
        sleep(POLL_S)
    on_progress()
    return None


def overdue(job: JobFolder, timeout_s: float, now_s: float) -> MatrixCell | None:
    """The cell whose point takes longer than `timeout_s`, if there is one."""
    for cell in job.job.cells:
        point = job.cell(cell).get("point")
        if point and now_s - point["since_unix_s"] > timeout_s:
            return cell
    return None


def _crashed(job: JobFolder, worker: ServerProcess, retries: int) -> None:
    """Record a failed attempt of the cell that a crashed worker measured, or of every open cell."""
    open_cells = job.open_cells()
    at = [cell for cell in open_cells if job.cell(cell).get("point")] or open_cells
    for cell in at:
        job.failed(cell, f"the worker exited with status {worker.ended}; {worker.tail(TAIL_LINES)}", "worker", retries)
        job.note_cell(cell, point=None)
