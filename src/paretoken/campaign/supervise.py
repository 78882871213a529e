"""Supervise a job: its worker is a process of its own, so that a crash or a delay costs one attempt of one cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from paretoken.campaign.state import FAILED, CampaignFolder, JobFolder, PointNow, now
from paretoken.engines.process import ServerProcess
from paretoken.errors import BadConfig

POLL_S = 0.3
STOP_WITHIN_S = 45.0
"""Time for a worker to stop its server, which has a grace period of its own."""
FREE_WITHIN_S = 45.0
TAIL_LINES = 6


@dataclass(slots=True)
class PointTimer:
    """How long a job has been at its point, by the clock of this machine: that of its worker may be another one."""

    timeout_s: float
    clock: Callable[[], float] = time.monotonic
    point: PointNow | None = field(default=None, init=False)
    since_s: float = field(default=0.0, init=False)

    def overdue(self, job: JobFolder) -> str | None:
        """Why the point of the job has failed, if it takes too long."""
        point = job.point()
        if point != self.point:
            self.point, self.since_s = point, self.clock()
        if point is None or self.clock() - self.since_s <= self.timeout_s:
            return None
        return f"a point took longer than point_timeout_s = {self.timeout_s:g} s"


def supervise(
    folder: CampaignFolder,
    number: int,
    on_progress: Callable[[], None] = lambda: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run a job with as many workers, one after another, as it takes. Afterwards none of its cells is open."""
    job, run = folder.of(folder.job(number)), folder.campaign().run
    _wait_until_free(job, clock, sleep)
    while job.open_cells():
        job.begin_attempt()
        command = worker_command(folder.folder, number)
        worker = ServerProcess(f"the worker of {job.job.slug}", command, job.next_log("worker"))
        worker.start()
        crash = None
        try:
            late = _watch(job, worker, PointTimer(run.point_timeout_s, clock), on_progress, sleep)
            if late is None and (worker.ended or job.open_cells()):
                crash = f"the worker exited with status {worker.ended}; {worker.tail(TAIL_LINES)}"
        finally:
            worker.stop(STOP_WITHIN_S)
        if failure := late or crash:
            job.count_failure(failure, "timeout" if late else "worker", run.retries)
    if job.failed_cells():
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
    timer: PointTimer,
    on_progress: Callable[[], None],
    sleep: Callable[[float], None],
) -> str | None:
    """Wait until the worker ends, or its point is overdue: why, in words."""
    while worker.ended is None:
        if late := timer.overdue(job):
            return late
        on_progress()
        sleep(POLL_S)
    on_progress()
    return None
