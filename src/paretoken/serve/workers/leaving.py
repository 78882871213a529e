"""A job for a client that may leave: a slow one ends then, so that its worker is free for others."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from paretoken.serve.workers.lanes import workers_of


async def result_for(request: Request, job: str, payload: bytes, *, slow: bool) -> bytes:
    """The result of a job; HTTPException, which nobody receives, where the client left a slow one."""
    running = asyncio.create_task(workers_of(request).run(job, payload, slow=slow))
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((running, leaving) if slow else (running,), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the client left before the answer")
        return running.result()
    finally:
        leaving.cancel()
        running.cancel()


async def _left(request: Request) -> None:
    """Wait until the client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
