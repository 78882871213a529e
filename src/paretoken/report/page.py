"""A page as one HTML file: template, own CSS and code, plotly.js and the data, all inlined.

Everything that comes from data or from the user is escaped by the template (autoescape), or is
in a JSON island in which no character can end the island.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from paretoken.report import numbers

HERE = Path(__file__).parent
_ISLAND_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def assemble(
    template: str,
    sheets: Sequence[str],
    scripts: Sequence[str],
    data: Mapping[str, object],
    *,
    plots: bool = True,
    **context: object,
) -> str:
    """The template, an heir of `base.html.j2`, with the assets named and the data in it. It loads nothing.

    `plots` says whether its code draws with plotly.js.
    """
    return (
        environment()
        .get_template(template)
        .render(
            css=Markup("\n".join(asset(name) for name in sheets)),  # noqa: S704
            plotly=Markup(plotly_js() if plots else ""),  # noqa: S704
            code=Markup("\n".join(asset(name) for name in scripts)),  # noqa: S704
            data=island(data),
            **context,
        )
    )


def island(data: Mapping[str, object]) -> Markup:
    """The data as JSON that can stand between script tags: no `<`, `>` or `&` is left in it."""
    text = orjson.dumps(data).decode()
    for character, escape in _ISLAND_ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704


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
def plotly_js() -> str:
    """plotly.js as the installed plotly package carries it, found without importing that package."""
    spec = find_spec("plotly")
    folder = Path(spec.origin).parent if spec and spec.origin else HERE
    return (folder / "package_data" / "plotly.min.js").read_text(encoding="utf-8").replace("</script", "<\\/script")


def asset(name: str) -> str:
    """A file of the report's own CSS or code."""
    return (HERE / "assets" / name).read_text(encoding="utf-8")
