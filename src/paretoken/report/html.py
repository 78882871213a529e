"""The report of a study as one HTML file, about 5 MB of which plotly.js is 4.8."""

from __future__ import annotations

from paretoken.answers.study.result import StudyResult
from paretoken.report.page import assemble, environment, island
from paretoken.report.payload import payload, styles
from paretoken.report.sections import sections
from paretoken.report.text import answer

__all__ = ["environment", "island", "render"]

SCRIPTS = (
    "common.js",
    "money.js",
    "state.js",
    "traces.js",
    "plots.js",
    "verdict.js",
    "controls.js",
    "money_state.js",
    "money_plots.js",
    "money_cost_plots.js",
    "money_market_plots.js",
    "money_tables.js",
    "frame.js",
    "main.js",
)


def render(result: StudyResult) -> str:
    """The whole page. It loads nothing from anywhere."""
    return assemble(
        "report.html.j2",
        ("report.css",),
        SCRIPTS,
        payload(result),
        version=result.version,
        result=result,
        title=result.study.title or result.study.name,
        answer=answer(result),
        sections=sections(result),
        styles=styles(result),
    )
