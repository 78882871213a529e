"""The frame of every page of the web app: its template environment and the files that pages load."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from paretoken.report.page import ASSETS as REPORT_ASSETS
from paretoken.report.page import environment
from paretoken.version import __version__

HERE = Path(__file__).parent
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
        Mount("/assets", Assets(directory=HERE / "assets")),
    ]


def framed(template: str, *, section: str, title: str, **context: object) -> HTMLResponse:
    """A page of the app: a template that extends `frame.html.j2`, in one of the SECTIONS."""
    page = _environment().get_template(template)
    return HTMLResponse(page.render(sections=SECTIONS, section=section, title=title, version=__version__, **context))


def problem_page(
    status: int, sentence: str, headers: Mapping[str, str] | None = None, *, section: str = ""
) -> HTMLResponse:
    """A page that says in one sentence why there is nothing else to show."""
    page = framed("problem.html.j2", section=section, title="Not shown", sentence=sentence)
    page.status_code = status
    page.headers.update(headers or {})
    return page


@cache
def _environment() -> Environment:
    env = environment()
    env.loader = ChoiceLoader([FileSystemLoader(HERE / "templates"), *([env.loader] if env.loader else [])])
    return env
