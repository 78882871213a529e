"""The part of the app that browses and watches runs; it loads with the first request for it."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Match, NoMatchFound, Router
from starlette.types import Receive, Scope, Send

from paretoken.serve.api.openapi import ROOT
from paretoken.serve.settings import ServeSettings

PATHS = ("/runs", "/points", "/live")
"""The first part of each path, behind ROOT too."""


class LateRoutes(BaseRoute):
    """Routes whose code and index load when one of them is first wanted: the app opens without them."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._loading = asyncio.Lock()
        self._router: Router | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is one of runs."""
        first = "/" + scope.get("path", "").removeprefix(ROOT).split("/")[1:2][0]
        return (Match.FULL if scope["type"] == "http" and first in PATHS else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> NoMatchFound:  # type: ignore[override]
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route of the path answer."""
        router = await self.loaded()
        await router(scope, receive, send)

    async def loaded(self) -> Router:
        """The routes, loaded once."""
        async with self._loading:
            if self._router is None:
                self._router = await run_in_threadpool(self._load)
        return self._router

    def _load(self) -> Router:
        from paretoken.serve.runs.index import RunIndex
        from paretoken.serve.runs.pages import RunPages, page_routes
        from paretoken.serve.runs.streams import live_routes
        from paretoken.serve.runs.watches import RunWatches

        index = RunIndex(self._settings.folder)
        watches = RunWatches(index)
        return Router([*page_routes(RunPages(index, watches)), *live_routes(watches)])


def run_routes(settings: ServeSettings) -> list[BaseRoute]:
    """The routes of runs; their index begins with the first request."""
    return [LateRoutes(settings)]
