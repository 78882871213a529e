"""Measure, predict and price LLM inference across accelerators.

The flat public API. Each name loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from paretoken.version import __version__

if TYPE_CHECKING:
    from paretoken.answers.advise import AdviseAnswer, AdviseQuestion, advise
    from paretoken.answers.breakeven import BreakevenAnswer, BreakevenQuestion, breakeven
    from paretoken.answers.cache_worth import CacheWorthAnswer, CacheWorthQuestion, cache_worth
    from paretoken.answers.check import CheckAnswer, CheckQuestion, check
    from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare
    from paretoken.answers.cost import CostAnswer, CostQuestion, cost
    from paretoken.answers.data_diff import DataDiffAnswer, DataDiffQuestion, data_diff
    from paretoken.answers.ecosystem import OverviewAnswer, OverviewQuestion, overview
    from paretoken.answers.explain import ExplainAnswer, ExplainQuestion, explain
    from paretoken.answers.fit import FitAnswer, FitQuestion, fit
    from paretoken.answers.frontier import FrontierAnswer, FrontierQuestion, frontiers
    from paretoken.answers.history import HistoryAnswer, HistoryQuestion
    from paretoken.answers.history import history as throughput_history
    from paretoken.answers.market import MarketQuestion, rental_prices
    from paretoken.answers.outlook import OutlookAnswer, OutlookQuestion, TrendsAnswer, TrendsQuestion, outlook, trends
    from paretoken.answers.plan.question import PlanQuestion
    from paretoken.answers.plan.result import PlanAnswer
    from paretoken.answers.plan.run import plan as plan_fleet
    from paretoken.answers.points import Data
    from paretoken.answers.pool_explain import ExplainPoolsAnswer, ExplainPoolsQuestion, explain_disaggregated
    from paretoken.answers.pool_search import PoolSearchAnswer, PoolSearchQuestion, search_disaggregated
    from paretoken.answers.pools import PoolsAnswer, PoolsQuestion, predict_disaggregated
    from paretoken.answers.predict import PredictAnswer, PredictQuestion
    from paretoken.answers.predict import predict as predict_deployment
    from paretoken.answers.predict_trace import PredictTraceAnswer, PredictTraceQuestion, predict_trace
    from paretoken.answers.rent import (
        MarketAnswer,
        RentAnswer,
        RentHistoryAnswer,
        RentHistoryQuestion,
        RentQuestion,
        rent,
        rent_history,
        rental_market,
    )
    from paretoken.answers.seam import json_schema, question_from_json, to_json
    from paretoken.answers.selfhost import SelfhostAnswer, selfhost
    from paretoken.answers.selfhost_question import SelfhostQuestion
    from paretoken.answers.study.config import Study, load_study
    from paretoken.answers.study.outputs import write_study
    from paretoken.answers.study.result import StudyResult
    from paretoken.answers.study.run import run_study
    from paretoken.answers.tco import TcoAnswer, TcoQuestion, tco
    from paretoken.answers.validate import ValidateAnswer, ValidateQuestion, validate
    from paretoken.catalog.loader import Catalog, load_catalog
    from paretoken.errors import ParetokenError
    from paretoken.frontier.curve import Curve
    from paretoken.points.files import read_points, write_points
    from paretoken.points.load import import_file, load_points
    from paretoken.points.published import published_points
    from paretoken.points.selection import Selection
    from paretoken.prices.cost import break_even_rent, usd_per_mtok

_MODULES = {
    "answers.advise": ("AdviseAnswer", "AdviseQuestion", "advise"),
    "answers.breakeven": ("BreakevenAnswer", "BreakevenQuestion", "breakeven"),
    "answers.cache_worth": ("CacheWorthAnswer", "CacheWorthQuestion", "cache_worth"),
    "answers.check": ("CheckAnswer", "CheckQuestion", "check"),
    "answers.compare": ("CompareAnswer", "CompareQuestion", "compare"),
    "answers.cost": ("CostAnswer", "CostQuestion", "cost"),
    "answers.data_diff": ("DataDiffAnswer", "DataDiffQuestion", "data_diff"),
    "answers.ecosystem": ("OverviewAnswer", "OverviewQuestion", "overview"),
    "answers.explain": ("ExplainAnswer", "ExplainQuestion", "explain"),
    "answers.fit": ("FitAnswer", "FitQuestion", "fit"),
    "answers.frontier": ("FrontierAnswer", "FrontierQuestion", "frontiers"),
    "answers.history": ("HistoryAnswer", "HistoryQuestion", "throughput_history"),
    "answers.market": ("MarketQuestion", "rental_prices"),
    "answers.outlook": ("OutlookAnswer", "OutlookQuestion", "TrendsAnswer", "TrendsQuestion", "outlook", "trends"),
    "answers.plan.question": ("PlanQuestion",),
    "answers.plan.result": ("PlanAnswer",),
    "answers.plan.run": ("plan_fleet",),
    "answers.points": ("Data",),
    "answers.pool_explain": ("ExplainPoolsAnswer", "ExplainPoolsQuestion", "explain_disaggregated"),
    "answers.pool_search": ("PoolSearchAnswer", "PoolSearchQuestion", "search_disaggregated"),
    "answers.pools": ("PoolsAnswer", "PoolsQuestion", "predict_disaggregated"),
    "answers.predict": ("PredictAnswer", "PredictQuestion", "predict_deployment"),
    "answers.predict_trace": ("PredictTraceAnswer", "PredictTraceQuestion", "predict_trace"),
    "answers.rent": (
        "MarketAnswer",
        "RentAnswer",
        "RentHistoryAnswer",
        "RentHistoryQuestion",
        "RentQuestion",
        "rent",
        "rent_history",
        "rental_market",
    ),
    "answers.seam": ("json_schema", "question_from_json", "to_json"),
    "answers.selfhost": ("SelfhostAnswer", "selfhost"),
    "answers.selfhost_question": ("SelfhostQuestion",),
    "answers.study.config": ("Study", "load_study"),
    "answers.study.outputs": ("write_study",),
    "answers.study.result": ("StudyResult",),
    "answers.study.run": ("run_study",),
    "answers.tco": ("TcoAnswer", "TcoQuestion", "tco"),
    "answers.validate": ("ValidateAnswer", "ValidateQuestion", "validate"),
    "catalog.loader": ("Catalog", "load_catalog"),
    "errors": ("ParetokenError",),
    "frontier.curve": ("Curve",),
    "points.files": ("read_points", "write_points"),
    "points.load": ("import_file", "load_points"),
    "points.published": ("published_points",),
    "points.selection": ("Selection",),
    "prices.cost": ("break_even_rent", "usd_per_mtok"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}
_THERE = {"plan_fleet": "plan", "predict_deployment": "predict", "throughput_history": "history"}
"""What these are called in their modules: the package has folders of those names."""

__all__ = [  # noqa: RUF022
    "__version__",
    "AdviseAnswer",
    "AdviseQuestion",
    "BreakevenAnswer",
    "BreakevenQuestion",
    "CacheWorthAnswer",
    "CacheWorthQuestion",
    "Catalog",
    "CheckAnswer",
    "CheckQuestion",
    "CompareAnswer",
    "CompareQuestion",
    "CostAnswer",
    "CostQuestion",
    "Curve",
    "Data",
    "DataDiffAnswer",
    "DataDiffQuestion",
    "ExplainAnswer",
    "ExplainPoolsAnswer",
    "ExplainPoolsQuestion",
    "ExplainQuestion",
    "FitAnswer",
    "FitQuestion",
    "FrontierAnswer",
    "FrontierQuestion",
    "HistoryAnswer",
    "HistoryQuestion",
    "MarketAnswer",
    "MarketQuestion",
    "OutlookAnswer",
    "OutlookQuestion",
    "OverviewAnswer",
    "OverviewQuestion",
    "ParetokenError",
    "PlanAnswer",
    "PlanQuestion",
    "PoolSearchAnswer",
    "PoolSearchQuestion",
    "PoolsAnswer",
    "PoolsQuestion",
    "PredictAnswer",
    "PredictQuestion",
    "PredictTraceAnswer",
    "PredictTraceQuestion",
    "RentAnswer",
    "RentHistoryAnswer",
    "RentHistoryQuestion",
    "RentQuestion",
    "Selection",
    "SelfhostAnswer",
    "SelfhostQuestion",
    "Study",
    "StudyResult",
    "TcoAnswer",
    "TcoQuestion",
    "TrendsAnswer",
    "TrendsQuestion",
    "ValidateAnswer",
    "ValidateQuestion",
    "advise",
    "break_even_rent",
    "breakeven",
    "cache_worth",
    "check",
    "compare",
    "cost",
    "data_diff",
    "explain",
    "explain_disaggregated",
    "fit",
    "frontiers",
    "import_file",
    "json_schema",
    "load_catalog",
    "load_points",
    "load_study",
    "outlook",
    "overview",
    "plan_fleet",
    "predict_deployment",
    "predict_disaggregated",
    "predict_trace",
    "published_points",
    "question_from_json",
    "read_points",
    "rent",
    "rent_history",
    "rental_market",
    "rental_prices",
    "run_study",
    "search_disaggregated",
    "selfhost",
    "tco",
    "throughput_history",
    "to_json",
    "trends",
    "usd_per_mtok",
    "validate",
    "write_points",
    "write_study",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), _THERE.get(name, name))


def __dir__() -> list[str]:
    return __all__
