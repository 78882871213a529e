"""Run one load level: what the user asked for, checked and cut into one job per worker."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence
from pathlib import Path

from paretoken.bench.client.balance import chooser
from paretoken.bench.client.connection import Target, make_target, tls_context
from paretoken.bench.client.counters import LiveCounters
from paretoken.bench.client.job import WorkerJob
from paretoken.bench.client.journal import SUFFIX
from paretoken.bench.client.level import LevelResult, LevelRun, OnProgress
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.pace import Schedule, Users
from paretoken.bench.plan import Api, Closed, Endpoint, Load, PromptSource, Stop, describe_load
from paretoken.errors import BadConfig, CannotWrite
from paretoken.plural import counted

FDS_BESIDE = 64
MOST_OPENED_AHEAD = 2_000
MOST_FILES = 65_536
"""What an open loop, or sessions with calls beside each other, may open, where the system lets them."""
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def run_level(
    endpoints: Sequence[Endpoint],
    api: Api,
    source: PromptSource,
    load: Load,
    stop: Stop,
    *,
    folder: Path,
    client: ClientOptions | None = None,
    on_progress: OnProgress | None = None,
) -> LevelResult:
    """Load the endpoints and give back every request.

    Bounds of `stop` count from the end of its warm-up. A finished request is in a journal in `folder` as
    it ends, and stays there whatever happens. On Ctrl-C sending stops, running requests are cut and
    recorded, and KeyboardInterrupt is raised once all is closed. Raises ParetokenError for what the user
    can mend.
    """
    client = client or ClientOptions()
    _check(endpoints, load, stop, client.workers)
    tls = tls_context(client.cafile, client.insecure) if client.cafile or client.insecure else None
    headers = client.request_headers()
    targets = tuple(make_target(i, e, api, headers, tls) for i, e in enumerate(endpoints))
    _make_room(load, client.workers, addresses=len({t.address for t in targets}))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{folder}: {error.strerror}") from None
    jobs = [_job(n, targets, source, load, stop, folder=folder, client=client) for n in range(client.workers)]
    return LevelRun(jobs, LiveCounters(client.workers), on_progress, client.progress_every_s, client.start_unix_s).run()


def _check(endpoints: Sequence[Endpoint], load: Load, stop: Stop, workers: int) -> None:
    if not endpoints:
        raise BadConfig("no endpoint: give the base URL of a server")
    if isinstance(load, Closed):
        if load.users < 1:
            raise BadConfig(f"{load.users} users: give 1 or more")
        if workers > load.users:
            raise BadConfig(
                f"{counted(workers, 'worker')} for {counted(load.users, 'user')}: give each worker at least one user"
            )
        if (stop.seconds, stop.requests, stop.tokens, stop.sessions) == (None,) * 4:
            raise BadConfig("a closed loop needs an end: give a duration, or a number of requests, tokens or sessions")
    elif len(load.due_s) and load.due_s[0] < 0:
        raise BadConfig(f"a request is due at {load.due_s[0]:g} s: times start at 0")


def _make_room(load: Load, workers: int, addresses: int) -> None:
    """Raise the limit of open files to what the load needs. Raises BadConfig where this machine allows less.

    What an open loop or a session has in flight depends on the server, so only the least is known.
    """
    if isinstance(load, Closed):
        need = FDS_BESIDE + 2 * -(-load.users // workers)
    else:
        need = FDS_BESIDE + max(pace_of_worker(load, n, workers)[1] for n in range(workers))
    wanted = max(need, MOST_FILES)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < need:
        raise BadConfig(
            f"{describe_load(load).name} need {need} open files per worker and this system allows {hard}: raise it "
            f"(ulimit -n {need}), or use more --workers"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, soft), hard))
    ports = _local_ports()
    if isinstance(load, Closed) and ports and load.users > ports * addresses:
        raise BadConfig(
            f"{load.users:,} users need as many connections, and this machine has {ports:,} ports for each server "
            "address: widen net.ipv4.ip_local_port_range, give more URLs, or use --nodes"
        )


def users_in_reach(workers: int) -> float:
    """The most users of a closed loop for which this system allows enough open files."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return math.inf if hard == resource.RLIM_INFINITY else workers * max((hard - FDS_BESIDE) // 2, 1)


def _local_ports() -> int:
    """The ports that connections may leave from, 0 where the system does not say."""
    try:
        first, last = map(int, PORT_RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return 0
    return last - first + 1


def _job(
    number: int,
    targets: tuple[Target, ...],
    source: PromptSource,
    load: Load,
    stop: Stop,
    *,
    folder: Path,
    client: ClientOptions,
) -> WorkerJob:
    workers = client.workers
    pace, ahead = pace_of_worker(load, number, workers)
    requests = None if stop.requests is None else stop.requests + stop.warmup_requests
    return WorkerJob(
        number=number,
        targets=targets,
        choose=chooser(client.balance, [t.endpoint.weight for t in targets]),
        requests=iter(source.requests(number, workers)),
        pace=pace,
        closed=isinstance(load, Closed),
        open_ahead=ahead,
        share=None if requests is None else _share(requests, number, workers),
        sessions=None if stop.sessions is None else _share(stop.sessions, number, workers),
        stop_ns=None if stop.seconds is None else round((stop.seconds + stop.warmup_s) * 1e9),
        stop_tokens=stop.tokens,
        drain_ns=round(stop.drain_s * 1e9),
        timeout_ns=round(client.timeout_s * 1e9),
        connect_timeout_ns=round(min(client.connect_timeout_s, client.timeout_s) * 1e9),
        journal=folder / f"requests-{number}{SUFFIX}",
        meta={"worker": number, "workers": workers},
        secret=client.secrets,
        kernel_stamps=client.kernel_stamps,
        rewrite_model=len({t.endpoint.model for t in targets}) > 1,
    )


def pace_of_worker(load: Load, worker: int, workers: int) -> tuple[Users | Schedule, int]:
    """The worker's share of the load, and how many connections to open before it begins.

    Request k of a source and due time k stay together whatever the number of workers.
    """
    if isinstance(load, Closed):
        users = range(worker, load.users, workers)
        return Users(users, round(load.think_s * 1e9), lambda user: round(load.start_s(user) * 1e9)), len(users)
    due_ns = [round(t * 1e9) for t in load.due_s[worker::workers].tolist()]
    a_second = round(min(load.rate / workers, MOST_OPENED_AHEAD))  # the rate is infinite where all come at once
    return Schedule(due_ns), min(len(due_ns), max(8, a_second))


def _share(total: int, worker: int, workers: int) -> int:
    return total // workers + (worker < total % workers)
