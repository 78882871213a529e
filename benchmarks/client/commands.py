"""What every client of the benchmark is run on: a case, the cores, and a command with what it cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from paretoken.bench.truth.server import Pace

CLIENT_CPU, SERVER_CPU = 0, 1
LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table for each client that can run it."""

    name: str
    users: int = 0
    rate: float = 0.0
    pace: Pace = field(default_factory=Pace)
    seconds: float = 10.0
    workers: int = 1
    neighbour: bool = False
    both_cores: bool = False


@dataclass(slots=True)
class Finished:
    """A command that ran: what it printed, and what its process tree cost."""

    code: int
    out: str
    started_ns: int
    cpu_s: float = 0.0
    memory_bytes: int = 0


def run_command(words: list[str], cpus: set[int], env: dict[str, str] | None = None) -> Finished:
    """Run on these CPUs; CPU time of the whole tree, and the largest proportional memory seen at 5 Hz."""
    with tempfile.TemporaryFile("w+") as out:
        started = time.time_ns()
        child = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cpus)), *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | (env or {}),
            start_new_session=True,
        )
        most = [0]
        watch = Thread(target=_watch_memory, args=(child.pid, most), daemon=True)
        watch.start()
        deadline = time.monotonic() + LIMIT_S
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.killpg(child.pid, 9)
            time.sleep(0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return Finished(child.returncode, out.read(), started, used.ru_utime + used.ru_stime, most[0])


def _watch_memory(pid: int, most: list[int]) -> None:
    os.sched_setaffinity(0, {SERVER_CPU})
    while Path(f"/proc/{pid}").exists():
        most[0] = max(most[0], sum(_pss(p) for p in _tree(pid)))
        time.sleep(0.2)


def _tree(pid: int) -> list[int]:
    try:
        kids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(p for kid in kids for p in _tree(int(kid)))]


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
