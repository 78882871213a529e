"""A page as one HTML file: template, own CSS and code, the chart library and the data, all inlined.

Everything that comes from data or from the user is escaped by the template (autoescape), or is in a data island.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from zlib import compress

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from paretoken.errors import CannotWrite
from paretoken.report import numbers
from paretoken.report.modules import joined

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
MOST_PLOTS = 4
"""Charts of an answer that a page has room for."""


def assemble(
    template: str,
    sheets: Sequence[str],
    entry: str,
    data: Mapping[str, object],
    *,
    charts: bool = True,
    **context: object,
) -> str:
    """The template, an heir of `base.html.j2`, with the style sheets, the modules of `entry` and the data in it.

    It loads nothing. `charts` says whether its code draws charts.
    """
    return (
        _own_environment()
        .get_template(template)
        .render(
            css=Markup("\n".join(asset(name) for name in sheets)),  # noqa: S704
            library=Markup(chart_library() if charts else ""),  # noqa: S704
            code=Markup(code_of(entry)),  # noqa: S704
            data=island(data),
            **context,
        )
    )


def island(data: Mapping[str, object]) -> Markup:
    """The data as JSON, deflated and in base64, in which no character can end a script tag."""
    return Markup(b64encode(compress(orjson.dumps(data), 9)).decode())  # noqa: S704


def write_page(page: str, path: Path) -> None:
    """Write a page or a picture beside its place, then move it there; CannotWrite if it cannot be written."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as e:
        partial.unlink(missing_ok=True)
        raise CannotWrite(f"{path} cannot be written: {e.strerror or e}; choose another place") from e


def environment() -> Environment:
    """The template environment: strict, escaping, with the report's number formats as filters."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        shown=numbers.shown, percent=numbers.percent, more=numbers.more, money=numbers.money, signed=numbers.signed
    )
    return env


@cache
def _own_environment() -> Environment:
    """The environment of whole pages, which keeps each template that it has compiled."""
    return environment()


@cache
def chart_library() -> str:
    """The parts of Apache ECharts that the pages use; built by tools/echarts."""
    return asset("vendor/echarts.js").replace("</script", "<\\/script")


@cache
def code_of(entry: str) -> str:
    """The module `entry` and all that it imports, as one script."""
    return joined(ASSETS, entry)


def asset(name: str) -> str:
    """A file of the report's own CSS or code."""
    return (ASSETS / name).read_text(encoding="utf-8")
