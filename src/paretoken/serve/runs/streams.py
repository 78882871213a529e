"""Server-sent events of what measures now: a picture once a second, until it is over.

A browser that loses the stream asks again by itself. The number of streams is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from paretoken.errors import BadConfig, ParetokenError
from paretoken.serve.runs.live import EVERY_S, Picture, campaign_picture
from paretoken.serve.runs.watches import RunWatches

MOST_STREAMS = 32


def live_routes(watches: RunWatches) -> list[Route]:
    """The streams of runs and of campaigns."""
    streams = Streams(watches)
    return [
        Route("/runs/live", partial(_run_stream, streams)),
        Route("/runs/campaign/live", partial(_campaign_stream, streams)),
    ]


@dataclass(slots=True)
class Streams:
    """The open streams: a bounded number."""

    watches: RunWatches
    open: int = 0

    async def events(self, request: Request, picture: Callable[[], Picture]) -> AsyncIterator[bytes]:
        """The picture once a second, until it is over or nobody listens."""
        self.open += 1
        try:
            yield b"retry: 2000\n\n"
            while not await request.is_disconnected():
                now = await asyncio.to_thread(_read_picture, picture)
                yield b"data: " + orjson.dumps(now) + b"\n\n"
                if now["state"] == "ended":
                    yield b"event: end\ndata: {}\n\n"
                    return
                await asyncio.sleep(EVERY_S)
        finally:
            self.open -= 1

    def response(self, request: Request, picture: Callable[[], Picture]) -> Response:
        if self.open >= MOST_STREAMS:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MOST_STREAMS} pages already watch runs; close one",
                {"Retry-After": "5"},
            )
        return StreamingResponse(self.events(request, picture), media_type="text/event-stream")


def _read_picture(picture: Callable[[], Picture]) -> Picture:
    """The picture; where the files cannot be read, an end with the reason."""
    try:
        return picture()
    except ParetokenError as e:
        return {"state": "ended", "error": str(e)}


async def _run_stream(streams: Streams, request: Request) -> Response:
    watch = streams.watches.of(_named(request, "run"))
    return streams.response(request, watch.picture)


async def _campaign_stream(streams: Streams, request: Request) -> Response:
    path = _named(request, "campaign")
    index = streams.watches.index
    folder = index.root / index.place(path, "campaign").path
    return streams.response(request, partial(campaign_picture, folder))


def _named(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    if not value:
        raise BadConfig(f"the {name} is missing; open it from the list")
    return value
