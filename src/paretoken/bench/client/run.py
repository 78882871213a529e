"""Run one load level: what the user asked for, checked and cut into one job per worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretoken.bench.client.balance import chooser
from paretoken.bench.client.connection import Target, make_target, tls_context
from paretoken.bench.client.counters import Counters
from paretoken.bench.client.job import Job
from paretoken.bench.client.journal import SUFFIX
from paretoken.bench.client.level import Level, LevelResult, OnProgress
from paretoken.bench.client.pace import Schedule, Users
from paretoken.bench.plan import Api, Closed, Endpoint, Load, PromptSource, Stop
from paretoken.errors import BadConfig, CannotWrite

FDS_BESIDE = 64
MOST_OPENED_AHEAD = 2_000


def run_level(
    endpoints: Sequence[Endpoint],
    api: Api,
    source: PromptSource,
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
    start_unix_s: float | None = None,
) -> LevelResult:
    """Load the endpoints and give back every request.

    Bounds of `stop` count from the end of its warm-up. A finished request is in a journal in `folder` as
    it ends, and stays there whatever happens. On Ctrl-C sending stops, running requests are cut and
    recorded, and KeyboardInterrupt is raised once all is closed. Raises ParetokenError for what the user
    can mend. With `start_unix_s` it begins at that time of the clock, or at once if that has passed.
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
        targets,
        source,
        load,
        stop,
        workers,
        folder=folder,
        timeout_s=timeout_s,
        balance=balance,
        connect_timeout_s=connect_timeout_s,
        secret=api_key or "",
        kernel_stamps=kernel_stamps,
    )
    return Level(jobs, Counters(workers), on_progress, progress_every_s, start_unix_s).run()


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
    targets: tuple[Target, ...],
    source: PromptSource,
    load: Load,
    stop: Stop,
    workers: int,
    *,
    folder: Path,
    timeout_s: float,
    connect_timeout_s: float,
    balance: str,
    secret: str,
    kernel_stamps: bool,
) -> list[Job]:
    several = len({t.endpoint.model for t in targets}) > 1
    jobs = []
    for n in range(workers):
        if isinstance(load, Closed):
            mine = range(n, load.users, workers)
            pace = Users(mine, round(load.think_s * 1e9), lambda user: round(load.start_s(user) * 1e9))
            ahead = len(mine)
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
