"""Watch over a job: its worker is a process of its own, whose crash or delay costs an attempt of one cell, no more."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from paretoken.campaign.matrix import Cell
from paretoken.campaign.state import FAILED, CampaignFolder, JobFolder, now
from paretoken.engines.process import ServerProcess
from paretoken.errors import BadConfig

LOOK_S = 0.3
STOP_WITHIN_S = 45.0
"""For a worker to stop its server, which has a grace of its own."""
FREE_WITHIN_S = 45.0
TAIL_LINES = 6


def supervise(
    folder: CampaignFolder,
    number: int,
    look: Callable[[], None] = lambda: None,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do a job with as many workers, one after another, as it takes. Afterwards none of its cells is open."""
    job = folder.of(folder.job(number))
    timeout_s, retries = folder.campaign().run.point_timeout_s, folder.campaign().run.retries
    _wait_until_free(job, clock, sleep)
    while open_cells := job.open_cells():
        for cell in open_cells:  # what a killed worker was at, perhaps days ago
            job.note_cell(cell, point=None)
        log = job.folder / f"worker.{len(list(job.folder.glob('worker.*.log'))) + 1}.log"
        worker = ServerProcess(f"the worker of {job.job.slug}", worker_command(folder.folder, number), log)
        worker.start()
        try:
            late = _watch(job, worker, timeout_s, look, clock, sleep)
            if late is None and (worker.ended or job.open_cells()):
                _crashed(job, worker, retries)
        finally:
            worker.stop(STOP_WITHIN_S)
        if late is not None:
            job.failed(late, f"a point took longer than point_timeout_s = {timeout_s:g} s", "timeout", retries)
    if any(job.cell(cell)["status"] == FAILED for cell in job.job.cells):
        job.note(status=FAILED, ended=now())


def _wait_until_free(job: JobFolder, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """A worker of a run that was just killed may still be going; BadConfig if one stays."""
    until = clock() + FREE_WITHIN_S
    while job.running_now():
        if clock() > until:
            raise BadConfig(f"another process works at {job.folder}; wait for it, or end it")
        sleep(LOOK_S)


def worker_command(out: Path, number: int) -> list[str]:
    return [sys.executable, "-m", "paretoken", "campaign", "work", str(out), str(number)]


def _watch(
    job: JobFolder,
    worker: ServerProcess,
    timeout_s: float,
    look: Callable[[], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Cell | None:
    """Until the worker ends, or a point of a cell is overdue, which is then given back."""
    while worker.ended is None:
        for cell in job.job.cells:
            point = job.cell(cell).get("point")
            if point and clock() - point["since_unix_s"] > timeout_s:
                return cell
        look()
        sleep(LOOK_S)
    look()
    return None


def _crashed(job: JobFolder, worker: ServerProcess, retries: int) -> None:
    """A worker that ended by itself: the cell it was at, else every open one, has one attempt less."""
    open_cells = job.open_cells()
    at = [cell for cell in open_cells if job.cell(cell).get("point")] or open_cells
    for cell in at:
        job.failed(cell, f"the worker ended with status {worker.ended}; {worker.tail(TAIL_LINES)}", "worker", retries)
        job.note_cell(cell, point=None)
