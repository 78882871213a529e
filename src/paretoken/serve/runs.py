"""The part of the app that browses and watches runs."""

from __future__ import annotations

from starlette.routing import BaseRoute

from paretoken.serve.index import RunIndex
from paretoken.serve.run_pages import RunPages, page_routes
from paretoken.serve.settings import ServeSettings
from paretoken.serve.streams import live_routes


def routes(settings: ServeSettings) -> list[BaseRoute]:
    """The routes of runs; their index begins with the first request."""
    pages = RunPages(RunIndex(settings.folder))
    return [*page_routes(pages), *live_routes(pages.index)]
