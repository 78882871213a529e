"""The questions as the web app offers them: what each is called."""

from __future__ import annotations

from typing import Any

from paretoken.answers.registry import VERBS
from paretoken.serve.examples import EXAMPLES

MAIN = {
    "compare": "Compare",
    "predict": "Predict",
    "plan": "Plan a fleet",
    "cost": "Cost of tokens",
    "breakeven": "Break-even rent",
    "rent-market": "Rents",
    "tco": "Cost of owning",
    "advise": "Advice",
    "selfhost": "Self-host or API",
    "outlook": "Outlook",
}
OTHERS = {
    "frontier": "Pareto points",
    "rent": "Rent of one accelerator",
    "rent-history": "Rent over time",
    "explain": "Where the time goes",
    "fit": "What fits in memory",
    "predict-disaggregated": "Predict disaggregated serving",
    "search-disaggregated": "Search disaggregated layouts",
    "explain-disaggregated": "Where the time goes, disaggregated",
    "predict-trace": "Replay a trace",
    "cache-worth": "What the cache is worth",
    "check": "Check runs against a baseline",
    "history": "History of runs",
    "trends": "Trends of dated runs",
    "validate": "Validate the predictions",
    "overview": "Coverage and accuracy",
    "data-diff": "Compare two sets of points",
}


_WIDEST = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat"}
"""What most accelerators and kinds of serving have points of."""
FIRST_QUESTIONS: dict[str, dict[str, Any]] = {
    **EXAMPLES,
    "advise": {**_WIDEST, "interactivity": 40.0},
    "compare": {**_WIDEST, "e2e_s": 15.0},
    "cost": _WIDEST,
    "frontier": _WIDEST,
    "selfhost": {**_WIDEST, "interactivity": 40.0},
    "tco": {},
}
"""What a form begins with: questions that need no file."""


def title_of(verb: str) -> str:
    """What a question is called."""
    return MAIN.get(verb) or OTHERS.get(verb) or verb


def other_questions() -> tuple[tuple[str, str], ...]:
    """Those beside the main ones; a verb without a name here has its own."""
    names = [name for name, verb in VERBS.items() if not verb.writes_files and name not in MAIN]
    return tuple(
        (name, title_of(name)) for name in sorted(names, key=lambda n: list(OTHERS).index(n) if n in OTHERS else 99)
    )
