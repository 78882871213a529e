"""The view of every verb's answer: its own where it has one, else its tables alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from paretoken.answers.seam import Question, to_json
from paretoken.report.asked.generic import tables_of
from paretoken.report.asked.view import AnswerView

VIEWS = {
    "advise": "buyers:advise_view",
    "breakeven": "breakeven:breakeven_view",
    "check": "checks:check_view",
    "compare": "frontiers:compare_view",
    "cost": "frontiers:cost_view",
    "frontier": "frontiers:frontier_view",
    "outlook": "buyers:outlook_view",
    "plan": "fleets:plan_view",
    "predict": "predictions:predict_view",
    "rent": "money:rent_view",
    "rent-history": "money:rent_history_view",
    "rent-market": "money:market_view",
    "selfhost": "buyers:selfhost_view",
    "tco": "money:tco_view",
}
"""`module:function` of this package; each module loads on first use."""
ViewOf = Callable[[object, Question], AnswerView]


def view_of(verb: str, answer: object, question: Question) -> AnswerView:
    """What a reader sees of the answer."""
    if verb not in VIEWS:
        return AnswerView(tables=tuple(tables_of(to_json(answer))))
    module, _, name = VIEWS[verb].partition(":")
    function = getattr(import_module(f"{__package__}.{module}"), name)
    return cast("ViewOf", function)(answer, question)
