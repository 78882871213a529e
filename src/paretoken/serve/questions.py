"""The questions as the web app offers them: what each is called, and one to begin with."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.answers.registry import VERBS

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
_POINTS: Mapping[str, object] = {"model": "deepseek-r1", "precision": "fp8", "workload": "chat"}
_DEPLOYMENT: Mapping[str, object] = {
    "accelerator": "H200",
    "model": "llama-3-70b",
    "engine": "vllm",
    "precision": "fp8",
    "isl": 1024,
    "osl": 1024,
}
EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "compare": {**_POINTS, "e2e_s": 15.0},
    "predict": {**_DEPLOYMENT, "tp": 4},
    "plan": {
        "model": "llama-3-70b",
        "slo": "ttft_p99=2s,tpot=50ms",
        "rate": "20",
        "isl": "1024",
        "osl": "512",
        "accelerators": ["H200", "MI300X"],
        "engines": ["vllm"],
        "precisions": ["fp8"],
        "coarse": True,
    },
    "cost": _POINTS,
    "frontier": _POINTS,
    "breakeven": {**_POINTS, "accelerator": "MI355X", "against": "B200", "market": True},
    "rent-market": {},
    "rent": {"accelerator": "H100"},
    "rent-history": {"accelerator": "H100"},
    "tco": {},
    "advise": {**_POINTS, "interactivity": 40.0},
    "selfhost": {**_POINTS, "interactivity": 40.0},
    "outlook": {"scenario": "rent-cut"},
    "explain": {**_DEPLOYMENT, "tp": 4},
    "fit": {"model": "llama-3-70b"},
    "predict-disaggregated": {**_DEPLOYMENT, "layout": "1xTP4+1xTP4"},
    "trends": {},
    "overview": {},
}
"""A first question for each verb that needs no file and answers within seconds."""


def title_of(verb: str) -> str:
    """What a question is called."""
    return MAIN.get(verb) or OTHERS.get(verb) or verb


def other_questions() -> tuple[tuple[str, str], ...]:
    """Those beside the main ones; a verb without a name here has its own."""
    names = [name for name, verb in VERBS.items() if not verb.writes_files and name not in MAIN]
    return tuple(
        (name, title_of(name)) for name in sorted(names, key=lambda n: list(OTHERS).index(n) if n in OTHERS else 99)
    )
