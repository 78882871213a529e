"""An answer as one HTML file: the words, charts and tables that a page of the web app shows, without the app."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.answers.ask import Envelope, verb_named
from paretoken.answers.field_names import answer_in_fields
from paretoken.answers.seam import to_json
from paretoken.report.asked.labels import label_and_unit
from paretoken.report.asked.view import AnswerView, cell
from paretoken.report.page import MOST_PLOTS, assemble
from paretoken.significant import significant


def page_data(envelope: Envelope, view: AnswerView) -> dict[str, object]:
    """What `assets/asked/view.js` shows: the envelope and its view, whose sentences name fields of the question."""
    shown = answer_in_fields(view.to_json(), verb_named(envelope.verb).question)
    return {"envelope": to_json(envelope), "view": shown}


def render_answer(envelope: Envelope, view: AnswerView, title: str) -> str:
    """The file. It loads nothing from anywhere."""
    return assemble(
        "asked/page.html.j2",
        ("report.css", "asked/asked.css"),
        "asked/main.js",
        page_data(envelope, view),
        version=envelope.version,
        title=title,
        question=list(_stated(envelope)),
        plots=min(len(view.plots), MOST_PLOTS),
    )


def _stated(envelope: Envelope) -> Iterator[tuple[str, str]]:
    """The fields that were stated, as a reader writes them."""
    for name, value in envelope.question.items():
        label, unit = label_and_unit(name)
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else cell(value)
        words = significant(text) if isinstance(text, int | float) else str(text)
        yield label, f"{words} {unit}".strip()
