"""The frame of every page of the web app: its template environment and the files that pages load."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from paretoken.report.page import ASSETS as REPORT_ASSETS
from paretoken.report.page import environment
from paretoken.version import __version__

SERVE = Path(__file__).parents[1]
SECTIONS = (("ask", "/", "Ask"), ("runs", "/runs", "Runs"), ("live", "/live", "Live"))
"""The parts of the app: name, address, text of the link."""


class Assets(StaticFiles):
    """Files that a browser keeps, and asks each time whether they are still the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def asset_mounts() -> list[Mount]:
    """Scripts and styles: the report's own under /assets/report, the app's under /assets."""
    return [
        Mount("/assets/report", Assets(directory=REPORT_ASSETS)),
        Mount("/assets", Assets(directory=SERVE / "assets")),
    ]


def framed(template: str, content: Mapping[str, object], *, section: str, title: str) -> HTMLResponse:
    """A page of the app: a template that extends `frame.html.j2`, in one of the SECTIONS."""
    page = _environment().get_template(template)
    return HTMLResponse(page.render(content, section=section, title=title))


def problem_page(
    status: int, sentence: str, headers: Mapping[str, str] | None = None, *, section: str = ""
) -> HTMLResponse:
    """A page that says in one sentence why there is nothing else to show."""
    page = framed("problem.html.j2", {"sentence": sentence}, section=section, title="Not shown")
    page.status_code = status
    page.headers.update(headers or {})
    return page


def link(path: str, **params: object) -> str:
    """An address with its parameters; those that are empty are left out."""
    pairs = [(name, str(value)) for name, value in params.items() if value not in ("", None)]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def island(value: object) -> Markup:
    """A value as JSON in which no character can end a script tag."""
    return Markup(orjson.dumps(value).decode().replace("<", "\\u003c"))  # noqa: S704


@cache
def _environment() -> Environment:
    env = environment()
    env.loader = ChoiceLoader([FileSystemLoader(SERVE / "templates"), *([env.loader] if env.loader else [])])
    env.globals.update(sections=SECTIONS, version=__version__, link=link, island=island)
    return env
