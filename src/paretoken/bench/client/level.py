"""The parent's side of a load level: fork the workers, start them together, watch, gather.

Workers are forked, not spawned: a fork is ready in milliseconds, inherits the prompts without copying or
pickling them, and touches only sockets, orjson and its journal, none of which the parent's threads own.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.bench.client import counters as c
from paretoken.bench.client.counters import LiveCounters, Progress
from paretoken.bench.client.fidelity import Fidelity, WorkerTally, judge
from paretoken.bench.client.job import WorkerJob
from paretoken.bench.client.journal import merge_journals
from paretoken.bench.client.worker import LoadWorker
from paretoken.errors import ParetokenError
from paretoken.foreign_text import one_line
from paretoken.plain_files import read_json

if TYPE_CHECKING:
    import polars as pl

START_AFTER_NS = 5_000_000
GRACE_S = 5.0

OnProgress = Callable[[Progress], object]
"""Called some times a second; a true answer ends the level as its bounds would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelResult:
    """What one load level gave: its requests, and how far to trust the client that measured them."""

    requests: pl.DataFrame  # in the schema of request records
    fidelity: Fidelity
    t0_unix_s: float
    t0_monotonic_ns: int
    sending_s: float  # from the start until the last worker stopped sending
    elapsed_s: float  # until the last answer
    journals: tuple[Path, ...]


class LevelRun:
    """One level, from fork to table."""

    def __init__(
        self,
        jobs: list[WorkerJob],
        counters: LiveCounters,
        on_progress: OnProgress | None,
        every_s: float,
        start_unix_s: float | None = None,
    ) -> None:
        self.jobs, self.counters = jobs, counters
        self.on_progress, self.every_s = on_progress, every_s
        self.start_unix_s = start_unix_s
        self.pids: dict[int, int] = {}
        self.t0_unix_s = 0.0

    def run(self) -> LevelResult:
        before = _host_cpu()
        try:
            for job in self.jobs:
                self.pids[_fork(job, self.counters)] = job.number
            self._start()
            self._watch()
        except BaseException:
            self._interrupt()
            raise
        finally:
            t0 = self.counters.cells[c.GO_NS]
            ended = time.monotonic_ns()
            self.counters.close()
        tallies, lost = self._gather()
        paths = tuple(job.journal for job in self.jobs)
        return LevelResult(
            requests=merge_journals([p for p in paths if p.exists()]),
            fidelity=judge(tallies, closed=self.jobs[0].closed, steal=_steal(before, _host_cpu()), lost=lost),
            t0_unix_s=self.t0_unix_s,
            t0_monotonic_ns=t0,
            sending_s=max((t.sending_s for t in tallies), default=0.0),
            elapsed_s=(ended - t0) / 1e9,
            journals=paths,
        )

    def _start(self) -> None:
        while self.counters.total(c.READY) < len(self.jobs) and len(self.pids) == len(self.jobs):
            self._reap()
            time.sleep(0.0005)
        after_ns = START_AFTER_NS
        if self.start_unix_s is not None:
            after_ns = max(after_ns, round((self.start_unix_s - time.time()) * 1e9))
        t0 = time.monotonic_ns() + after_ns
        self.t0_unix_s = time.time() + after_ns / 1e9
        self.counters.cells[c.GO_NS] = t0

    def _watch(self) -> None:
        next_report = time.monotonic() + self.every_s
        while self.pids:
            self._reap()
            now = time.monotonic()
            if self.on_progress is not None and now >= next_report and self.pids:
                next_report = now + self.every_s
                if self.on_progress(self.counters.progress(time.monotonic_ns())):
                    self.counters.cells[c.COMMAND] = max(self.counters.cells[c.COMMAND], c.DRAIN)
            time.sleep(0.01)

    def _reap(self) -> None:
        for pid in list(self.pids):
            done, _ = os.waitpid(pid, os.WNOHANG)
            if done and self._broken(self.pids.pop(pid)):
                self.counters.cells[c.COMMAND] = c.CANCEL

    def _broken(self, worker: int) -> bool:
        """Whether a worker ended by an error of ours or of its source; one that was killed is only lost."""
        path = _tally_path(self.jobs[worker])
        return path.exists() and b'"error"' in path.read_bytes()[:16]

    def _interrupt(self) -> None:
        """Tell the workers to cut what runs, record it and leave; end those that do not."""
        self.counters.cells[c.COMMAND] = c.CANCEL
        deadline = time.monotonic() + GRACE_S
        while self.pids and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)
        for pid in list(self.pids):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            del self.pids[pid]

    def _gather(self) -> tuple[list[WorkerTally], int]:
        """The tallies of the workers that ended by themselves, and how many were lost."""
        tallies, lost = [], 0
        for job in self.jobs:
            path = _tally_path(job)
            if not path.exists():
                lost += 1
                continue
            report = read_json(path)
            if "error" in report:
                raise ParetokenError(report["error"])
            tallies.append(WorkerTally.from_json(report))
        return tallies, lost


def _fork(job: WorkerJob, counters: LiveCounters) -> int:
    _tally_path(job).unlink(missing_ok=True)
    gc.collect()
    gc.freeze()
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside threads; the child takes none of their locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    finally:
        gc.unfreeze()
    if pid:
        return pid
    code = 1
    try:
        code = _child(job, counters)
    finally:
        os._exit(code)


def _child(job: WorkerJob, counters: LiveCounters) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and tells us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()
    gc.disable()
    path = _tally_path(job)
    try:
        report = LoadWorker(job, counters).run().to_json()
    except Exception as error:
        report = {"error": str(error) if isinstance(error, ParetokenError) else _own_error(error, path)}
        report["traceback"] = traceback.format_exc()
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(report))
    partial.replace(path)
    return 0


def _own_error(error: Exception, path: Path) -> str:
    """A worker's own failure in one sentence."""
    return (
        f"a worker of the load client failed ({one_line(f'{type(error).__name__}: {error}')}); every request that had "
        f"ended is kept in {path.parent}; please report it with {path.name}, which holds the traceback"
    )


def _tally_path(job: WorkerJob) -> Path:
    return job.journal.with_suffix(".worker.json")


def _host_cpu() -> tuple[int, int]:
    """(ticks stolen, all ticks) of the machine since it started; zeros where the system does not say."""
    try:
        ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0, 0
    return ticks[7], sum(ticks)


def _steal(before: tuple[int, int], after: tuple[int, int]) -> float:
    span = after[1] - before[1]
    return (after[0] - before[0]) / span if span > 0 else 0.0
