"""Worker processes: limits of time and memory, who waits, and what they load before they are asked."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from paretoken.errors import BadConfig, NoData
from paretoken.serve.settings import ServeSettings
from paretoken.serve.workers.job_names import ANSWER_ONE, ENVELOPE, LOAD, LOAD_RUNS
from paretoken.serve.workers.lanes import MOST_WAITING, QUICK_WORKERS, Lane, Workers
from paretoken.serve.workers.process import MOST_MEMORY_BYTES, OK
from tests.support.loops import run_apart

SLEEP, PID = f"{__name__}:sleep", f"{__name__}:pid"


def sleep(payload: bytes) -> bytes:
    subprocess.run(["sleep", payload.decode()], check=True)
    return b""


def pid(payload: bytes) -> bytes:
    return str(os.getpid()).encode()


def fail(payload: bytes) -> bytes:
    raise BadConfig(payload.decode())


def end(payload: bytes) -> bytes:
    os._exit(3)


def hoard(payload: bytes) -> bytes:
    return bytes(int(payload))


@pytest.fixture
def importable(monkeypatch):
    """Lets workers import this file."""
    tree = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", f"{tree}:{tree / 'src'}")


@pytest.mark.slow
def test_a_job_past_its_limit_ends_with_its_process(tmp_path, importable):
    async def whole() -> None:
        lane = Lane(ServeSettings(folder=tmp_path, limit_s=4.0), 1)
        first = await lane.run(PID, b"")
        assert await lane.run(PID, b"") == first
        with pytest.raises(BadConfig, match=r"^a sentence$"):
            await lane.run(f"{__name__}:fail", b"a sentence")
        with pytest.raises(HTTPException, match="takes longer than 4 s"):
            await lane.run(SLEEP, b"60")
        assert not Path(f"/proc/{first.decode()}").exists()
        assert await lane.run(PID, b"") != first
        with pytest.raises(HTTPException, match="ended; ask for less at once"):
            await lane.run(f"{__name__}:end", b"")
        with pytest.raises(HTTPException, match="ended; ask for less at once"):
            await lane.run(f"{__name__}:hoard", str(MOST_MEMORY_BYTES).encode())
        await lane.close()

    run_apart(whole)


@pytest.mark.slow
def test_more_jobs_than_may_wait_are_refused(tmp_path, importable):
    async def whole() -> None:
        lane = Lane(ServeSettings(folder=tmp_path), 1)
        running = [asyncio.create_task(lane.run(SLEEP, b"60")) for _ in range(MOST_WAITING + 1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await lane.run(PID, b"")
        assert refused.value.status_code == 503 and refused.value.headers == {"Retry-After": "5"}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await lane.close()

    run_apart(whole)


class NoProcess:
    """Stands for a worker that was started."""


@pytest.fixture
def jobs(monkeypatch):
    """The jobs of all lanes with their workers, in the order in which they begin; none starts a process."""
    begun = []

    async def started(lane):
        return NoProcess()

    async def exchanged(lane, process, job, payload):
        begun.append((job, process))
        await asyncio.sleep(0.01)
        return OK, b""

    async def ended(lane, process):
        pass

    monkeypatch.setattr(Lane, "_started", started)
    monkeypatch.setattr(Lane, "_exchanged", exchanged)
    monkeypatch.setattr(Lane, "_end", ended)
    return begun


def test_a_question_right_after_the_start_waits_for_the_code_alone(tmp_path, jobs):
    async def whole() -> None:
        workers = Workers(ServeSettings(folder=tmp_path))
        workers.warm_up()
        await asyncio.sleep(0)
        await workers.run(ENVELOPE, b"")
        await workers.close()

    run_apart(whole)
    assert [job for job, _ in jobs[:2]] == [LOAD, ENVELOPE]
    assert jobs[0][1] is jobs[1][1], "the worker that has loaded answers, not one that begins"


def test_every_quick_worker_loads_all_that_most_need(tmp_path, jobs):
    steps = (ANSWER_ONE, LOAD_RUNS)

    async def whole() -> None:
        workers = Workers(ServeSettings(folder=tmp_path))
        workers.warm_up()
        while len(jobs) < 1 + len(steps) * QUICK_WORKERS:
            await asyncio.sleep(0.01)
        await workers.close()

    run_apart(whole)
    for step in steps:
        assert len({id(process) for job, process in jobs if job == step}) == QUICK_WORKERS


def test_no_job_begins_in_a_folder_that_was_removed(tmp_path, jobs):
    workers = Workers(ServeSettings(folder=tmp_path))
    tmp_path.rmdir()
    with pytest.raises(NoData, match="was removed; start the server again"):
        run_apart(lambda: workers.run(ENVELOPE, b""))
    assert jobs == []
