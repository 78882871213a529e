"""Run one load level: fork the workers, start them together, watch, gather.

Workers are forked, not spawned: a fork is ready in milliseconds, inherits the prompts without copying or
pickling them, and touches only sockets, orjson and its journal, none of which the parent's threads own.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.errors import BadConfig, CannotWrite, ParetokenError
from paretoken.load import counters as c
from paretoken.load.balance import chooser
from paretoken.load.connection import Target, make_target, tls_context
from paretoken.load.counters import Counters, Progress
from paretoken.load.fidelity import Fidelity, WorkerTally, judge
from paretoken.load.journal import SUFFIX, merge_journals
from paretoken.load.pace import Schedule, Users
from paretoken.load.plan import Api, Closed, Endpoint, Load, Source, Stop
from paretoken.load.worker import Job, Worker

if TYPE_CHECKING:
    import polars as pl

START_AFTER_NS = 5_000_000
GRACE_S = 5.0
FDS_BESIDE = 64
MOST_OPENED_AHEAD = 2_000

OnProgress = Callable[[Progress], object]
"""Called some times a second; a true answer ends the level as its bounds would."""


@dataclass(frozen=True, slots=True)
class LevelResult:
    """What one load level gave: its requests, and how far to trust the client that measured them."""

    requests: pl.DataFrame  # in the schema of request records
    fidelity: Fidelity
    t0_unix_s: float
    t0_monotonic_ns: int
    sending_s: float  # from the start until the last worker stopped sending
    elapsed_s: float  # until the last answer
    journals: tuple[Path, ...]


def run_level(
    endpoints: Sequence[Endpoint],
    api: Api,
    source: Source,
    load: Load,
    stop: Stop,
    *,
    folder: Path,
    workers: int = 1,
    api_key: str | None = None,
    headers: dict[str, str] | None = None,
    timeout_s: float = 60.0,
    connect_timeout_s: float = 10.0,
    balance: str = "round_robin",
    cafile: Path | None = None,
    insecure: bool = False,
    kernel_stamps: bool = True,
    on_progress: OnProgress | None = None,
    progress_every_s: float = 0.25,
) -> LevelResult:
    """Load the endpoints and give back every request.

    Bounds of `stop` count from the end of its warm-up. A finished request is in a journal in `folder` as
    it ends, and stays there whatever happens. On Ctrl-C sending stops, running requests are cut and
    recorded, and KeyboardInterrupt is raised once all is closed. Raises ParetokenError for what the user
    can mend.
    """
    _check(endpoints, load, stop, workers, timeout_s)
    tls = tls_context(cafile, insecure) if cafile or insecure else None
    extra = dict(headers or {}) | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    targets = tuple(make_target(i, e, api, extra, tls) for i, e in enumerate(endpoints))
    _make_room(load, workers)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{folder}: {error.strerror}") from None
    jobs = _jobs(
        targets, source, load, stop, workers, folder=folder, timeout_s=timeout_s, balance=balance,
        connect_timeout_s=connect_timeout_s, secret=api_key or "", kernel_stamps=kernel_stamps,
    )  # fmt: skip
    return _Level(jobs, Counters(workers), on_progress, progress_every_s).run()


def _check(endpoints: Sequence[Endpoint], load: Load, stop: Stop, workers: int, timeout_s: float) -> None:
    if not endpoints:
        raise BadConfig("no endpoint: give the base URL of a server")
    if workers < 1:
        raise BadConfig(f"{workers} workers: give 1 or more")
    if not timeout_s > 0:
        raise BadConfig(f"timeout {timeout_s} s: give more than 0")
    if isinstance(load, Closed):
        if load.users < 1:
            raise BadConfig(f"{load.users} users: give 1 or more")
        if workers > load.users:
            raise BadConfig(f"{workers} workers for {load.users} users: give each worker at least one user")
        if stop.seconds is None and stop.requests is None and stop.tokens is None:
            raise BadConfig("a closed loop without an end: give a time, a number of requests, or tokens")
    elif len(load.due_s) and load.due_s[0] < 0:
        raise BadConfig(f"a request due at {load.due_s[0]:g} s: times start at 0")


def _make_room(load: Load, workers: int) -> None:
    """Raise the limit of open files to what the load needs. Raises BadConfig where it may not."""
    import resource

    need = FDS_BESIDE + 2 * -(-load.users // workers) if isinstance(load, Closed) else MOST_OPENED_AHEAD * 2
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need and isinstance(load, Closed):
        raise BadConfig(
            f"{load.users} users need {need} open files per worker and this system allows {hard}: raise it "
            f"(ulimit -n {need}), or use more --workers"
        )
    wanted = need if hard == resource.RLIM_INFINITY else min(need, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), hard))


def _share(total: int, worker: int, workers: int) -> int:
    return total // workers + (worker < total % workers)


def _jobs(
    targets: tuple[Target, ...], source: Source, load: Load, stop: Stop, workers: int, *,
    folder: Path, timeout_s: float, connect_timeout_s: float, balance: str, secret: str, kernel_stamps: bool,
) -> list[Job]:  # fmt: skip
    several = len({t.endpoint.model for t in targets}) > 1
    jobs = []
    first_user = 0
    for n in range(workers):
        if isinstance(load, Closed):
            mine = _share(load.users, n, workers)
            pace, ahead = Users(range(first_user, first_user + mine), round(load.think_s * 1e9)), mine
            first_user += mine
        else:
            due = [round(t * 1e9) for t in load.due_s[n::workers].tolist()]
            pace, ahead = Schedule(due), min(len(due), MOST_OPENED_AHEAD, max(8, round(load.rate / workers)))
        requests = None if stop.requests is None else stop.requests + stop.warmup_requests
        jobs.append(
            Job(
                number=n,
                targets=targets,
                choose=chooser(balance, [t.endpoint.weight for t in targets]),
                requests=iter(source.requests(n, workers)),
                pace=pace,
                closed=isinstance(load, Closed),
                users=ahead if isinstance(load, Closed) and not load.think_s else 0,
                open_ahead=ahead,
                share=None if requests is None else _share(requests, n, workers),
                stop_ns=None if stop.seconds is None else round((stop.seconds + stop.warmup_s) * 1e9),
                stop_tokens=stop.tokens,
                drain_ns=round(stop.drain_s * 1e9),
                timeout_ns=round(timeout_s * 1e9),
                connect_timeout_ns=round(min(connect_timeout_s, timeout_s) * 1e9),
                journal=folder / f"requests-{n}{SUFFIX}",
                meta={"worker": n, "workers": workers},
                secret=secret,
                kernel_stamps=kernel_stamps,
                rewrite_model=several,
            )
        )
    return jobs


class _Level:
    """The parent's side of a level: start, watch, stop, gather."""

    def __init__(self, jobs: list[Job], counters: Counters, on_progress: OnProgress | None, every_s: float) -> None:
        self.jobs, self.counters = jobs, counters
        self.on_progress, self.every_s = on_progress, every_s
        self.pids: dict[int, int] = {}
        self.t0_unix_s = 0.0
        self.sending_ns = 0

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
        t0 = time.monotonic_ns() + START_AFTER_NS
        self.t0_unix_s = time.time() + START_AFTER_NS / 1e9
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
        tallies, lost = [], 0
        for job in self.jobs:
            path = _tally_path(job)
            if not path.exists():
                lost += 1
                continue
            said = json.loads(path.read_text())
            if "error" in said:
                raise (ParetokenError if said["mendable"] else RuntimeError)(said["error"])
            tallies.append(WorkerTally.from_json(said))
        return tallies, lost


def _fork(job: Job, counters: Counters) -> int:
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


def _child(job: Job, counters: Counters) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and tells us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()
    gc.disable()
    try:
        said = Worker(job, counters).run().to_json()
    except Exception as error:
        import traceback

        mendable = isinstance(error, ParetokenError)
        said = {"error": str(error) if mendable else traceback.format_exc(), "mendable": mendable}
    path = _tally_path(job)
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(said))
    partial.replace(path)
    return 0


def _tally_path(job: Job) -> Path:
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
