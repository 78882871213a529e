"""The app of `paretoken serve`: routes of the API, of pages and of runs, behind one guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from paretoken.serve.access.guard import Guard
from paretoken.serve.access.login import login_routes
from paretoken.serve.api.routes import api_routes
from paretoken.serve.ask.pages import ask_routes
from paretoken.serve.runs.routes import run_routes
from paretoken.serve.settings import ServeSettings
from paretoken.serve.web.error_handlers import HANDLERS
from paretoken.serve.workers.lanes import working

PARTS: tuple[Callable[[ServeSettings], Sequence[BaseRoute]], ...] = (api_routes, login_routes, ask_routes, run_routes)
"""Each takes the settings and returns its routes."""


def create_app(settings: ServeSettings) -> Starlette:
    """The app; its workers live as long as its lifespan."""
    app = Starlette(
        routes=[Route("/healthz", healthy), *(route for part in PARTS for route in part(settings))],
        middleware=[Middleware(Guard, settings=settings)],
        exception_handlers=HANDLERS,
        lifespan=_with_workers,
    )
    app.state.settings = settings
    return app


async def healthy(request: Request) -> Response:
    """That the server answers, without a token: for probes."""
    return PlainTextResponse("ok\n")


@asynccontextmanager
async def _with_workers(app: Starlette) -> AsyncIterator[None]:
    async with working(app.state.settings) as app.state.workers:
        yield
