"""The worker processes of a server: how many compute at once, for how long, and who waits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from paretoken import errors
from paretoken.errors import ParetokenError
from paretoken.serve.settings import ServeSettings, require_folder
from paretoken.serve.workers.job_names import ANSWER_ONE, LOAD, LOAD_RUNS
from paretoken.serve.workers.process import DEFECT, LENGTH_BYTES, OK, frame, unframed

QUICK_WORKERS, SLOW_WORKERS = 2, 2
MOST_WAITING = 32
"""Jobs that wait for a worker; more are refused."""


class Lane:
    """Workers of one kind of job. A job has one of them for itself, and its process ends with it past the limit."""

    def __init__(self, settings: ServeSettings, workers: int) -> None:
        self._settings = settings
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        self._running: set[Process] = set()
        self._waiting = 0
        self.add(workers)

    def add(self, workers: int) -> None:
        """Let more workers take jobs; each starts with its first."""
        for _ in range(workers):
            self._free.put_nowait(None)

    async def run(self, job: str, payload: bytes) -> bytes:
        """The result of a job; the ParetokenError that it raised, or HTTPException where it has to wait or stop."""
        require_folder(self._settings.folder)
        if self._waiting >= MOST_WAITING:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MOST_WAITING} questions already wait; ask again in a few seconds",
                {"Retry-After": "5"},
            )
        self._waiting += 1
        try:
            process = await self._free.get()
        finally:
            self._waiting -= 1
        try:
            process = process or await self._started()
            name, result = await self._exchanged(process, job, payload)
        except BaseException:
            if process is not None:
                await self._end(process)
            process = None
            raise
        finally:
            self._free.put_nowait(process)
        return _result(name, result)

    async def close(self) -> None:
        """End every process."""
        for process in list(self._running):
            await self._end(process)

    async def _exchanged(self, process: Process, job: str, payload: bytes) -> tuple[str, bytes]:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker without pipes")
        try:
            async with asyncio.timeout(self._settings.limit_s):
                process.stdin.write(frame(job, payload))
                await process.stdin.drain()
                length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
                return unframed(await process.stdout.readexactly(length))
        except TimeoutError as e:
            detail = f"the answer takes longer than {self._settings.limit_s:g} s; ask it on the command line"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail) from e
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            detail = "the process that computed the answer ended; ask for less at once"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail) from e

    async def _started(self) -> Process:
        # -P: the current folder may hold files of others, and no module is taken from it.
        command = (sys.executable, "-P", "-m", "paretoken.serve.workers.process", str(self._settings.folder))
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        self._running.add(process)
        return process

    async def _end(self, process: Process) -> None:
        self._running.discard(process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        await process.wait()


class Workers:
    """A lane for questions that take a second, and one for those that may take minutes."""

    def __init__(self, settings: ServeSettings) -> None:
        self._quick = Lane(settings, 1)
        self._slow = Lane(settings, SLOW_WORKERS)
        self._warming: asyncio.Task[None] | None = None

    async def run(self, job: str, payload: bytes, *, slow: bool = False) -> bytes:
        """The result of `module:function`, which takes and gives bytes, in a worker process in the served folder."""
        return await (self._slow if slow else self._quick).run(job, payload)

    def warm_up(self) -> None:
        """Start the quick workers and load what most questions need, without waiting."""
        self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        """Load in steps, one worker after the other: a question that comes meanwhile waits for one step at most.

        The second worker starts when the first has loaded its code, so that they do not share the cores before.
        """
        try:
            await self._quick.run(LOAD, b"")
        finally:
            self._quick.add(QUICK_WORKERS - 1)
        for step in (ANSWER_ONE, LOAD_RUNS):
            for _ in range(QUICK_WORKERS):  # free workers take turns
                await asyncio.sleep(0)  # a question that waits comes first
                await self._quick.run(step, b"")

    async def close(self) -> None:
        """End every process; nothing is left behind."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self._quick.close()
        await self._slow.close()


@asynccontextmanager
async def working(settings: ServeSettings) -> AsyncIterator[Workers]:
    """Workers that warm up at the beginning and end at the end."""
    workers = Workers(settings)
    workers.warm_up()
    try:
        yield workers
    finally:
        await workers.close()


def workers_of(request: Request) -> Workers:
    """The workers of the app that got a request."""
    workers = request.app.state.workers
    if not isinstance(workers, Workers):
        raise TypeError("the app has no workers")
    return workers


def _result(name: str, result: bytes) -> bytes:
    if name == OK:
        return result
    if name == DEFECT:
        raise RuntimeError("a job failed; the worker's standard error says where")
    raise _as_error(name, result.decode())


def _as_error(name: str, sentence: str) -> ParetokenError:
    """The error of a worker, of its own class where the sentence is all that it holds."""
    kind = getattr(errors, name, ParetokenError)
    plain = isinstance(kind, type) and issubclass(kind, ParetokenError) and "__init__" not in vars(kind)
    return kind(sentence) if plain else ParetokenError(sentence)
