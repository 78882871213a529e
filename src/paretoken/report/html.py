"""The report of a study as one HTML file."""

from __future__ import annotations

from paretoken.answers.study.result import StudyResult
from paretoken.frontier.consistency import LIKELY, LIKELY_PREDICTED, TIE, TIE_PREDICTED
from paretoken.frontier.verdict import NEAR_CROSSOVER
from paretoken.report.page import assemble
from paretoken.report.payload import payload, styles
from paretoken.report.sections import Context, Section, sections
from paretoken.report.text import answer

BOUNDS = {
    "tie": TIE,
    "likely": LIKELY,
    "tie_predicted": TIE_PREDICTED,
    "likely_predicted": LIKELY_PREDICTED,
    "near": NEAR_CROSSOVER - 1,
}
"""The shares from which a verdict is firmer, and how far a limit is moved to see whether it is fragile."""


def render(result: StudyResult) -> str:
    """The whole page. It loads nothing from anywhere."""
    static = sections(result)
    return assemble(
        "report.html.j2",
        ("report.css",),
        "study/main.js",
        payload(result),
        version=result.version,
        result=result,
        title=result.study.title or result.study.name,
        answer=answer(result),
        groups=_groups(static),
        sources=next(context["rows"] for section, context in static if section.name == "sources"),
        styles=styles(result),
        bounds=BOUNDS,
    )


def _groups(static: list[tuple[Section, Context]]) -> dict[str, list[tuple[Section, Context]]]:
    """The sections by the heading that they are under, in order."""
    groups: dict[str, list[tuple[Section, Context]]] = {}
    for section, context in static:
        groups.setdefault(section.group, []).append((section, context))
    return groups
