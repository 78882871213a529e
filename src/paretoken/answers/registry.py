"""Every verb with its question, its answer and the function between them: what a server or a schema needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
from paretoken.answers.history import HistoryAnswer, HistoryQuestion, history
from paretoken.answers.outlook import OutlookAnswer, OutlookQuestion, TrendsAnswer, TrendsQuestion, outlook, trends
from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import PlanAnswer
from paretoken.answers.plan.run import plan
from paretoken.answers.pool_explain import ExplainPoolsAnswer, ExplainPoolsQuestion, explain_disaggregated
from paretoken.answers.pool_search import PoolSearchAnswer, PoolSearchQuestion, search_disaggregated
from paretoken.answers.pools import PoolsAnswer, PoolsQuestion, predict_disaggregated
from paretoken.answers.predict import PredictAnswer, PredictQuestion, predict
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
from paretoken.answers.selfhost import SelfhostAnswer, SelfhostQuestion, selfhost
from paretoken.answers.study.config import Study
from paretoken.answers.study.result import StudyResult
from paretoken.answers.study.run import run_study
from paretoken.answers.tco import TcoAnswer, TcoQuestion, tco
from paretoken.answers.validate import ValidateAnswer, ValidateQuestion, validate


@dataclass(frozen=True, slots=True)
class Verb:
    """A question that can be made from JSON, its answer, and the function between them.

    The answer turns into JSON, unless `writes_files` says that it is a folder.
    """

    question: type[object]
    answer: type[object]
    function: Callable[..., object]
    writes_files: bool = False


VERBS: dict[str, Verb] = {
    "advise": Verb(AdviseQuestion, AdviseAnswer, advise),
    "breakeven": Verb(BreakevenQuestion, BreakevenAnswer, breakeven),
    "cache-worth": Verb(CacheWorthQuestion, CacheWorthAnswer, cache_worth),
    "check": Verb(CheckQuestion, CheckAnswer, check),
    "compare": Verb(CompareQuestion, CompareAnswer, compare),
    "cost": Verb(CostQuestion, CostAnswer, cost),
    "data-diff": Verb(DataDiffQuestion, DataDiffAnswer, data_diff),
    "explain": Verb(ExplainQuestion, ExplainAnswer, explain),
    "explain-disaggregated": Verb(ExplainPoolsQuestion, ExplainPoolsAnswer, explain_disaggregated),
    "fit": Verb(FitQuestion, FitAnswer, fit),
    "frontier": Verb(FrontierQuestion, FrontierAnswer, frontiers),
    "history": Verb(HistoryQuestion, HistoryAnswer, history),
    "outlook": Verb(OutlookQuestion, OutlookAnswer, outlook),
    "overview": Verb(OverviewQuestion, OverviewAnswer, overview),
    "plan": Verb(PlanQuestion, PlanAnswer, plan),
    "predict": Verb(PredictQuestion, PredictAnswer, predict),
    "predict-disaggregated": Verb(PoolsQuestion, PoolsAnswer, predict_disaggregated),
    "predict-trace": Verb(PredictTraceQuestion, PredictTraceAnswer, predict_trace),
    "rent": Verb(RentQuestion, RentAnswer, rent),
    "rent-history": Verb(RentHistoryQuestion, RentHistoryAnswer, rent_history),
    "rent-market": Verb(RentQuestion, MarketAnswer, rental_market),
    "search-disaggregated": Verb(PoolSearchQuestion, PoolSearchAnswer, search_disaggregated),
    "selfhost": Verb(SelfhostQuestion, SelfhostAnswer, selfhost),
    "study": Verb(Study, StudyResult, run_study, writes_files=True),
    "tco": Verb(TcoQuestion, TcoAnswer, tco),
    "trends": Verb(TrendsQuestion, TrendsAnswer, trends),
    "validate": Verb(ValidateQuestion, ValidateAnswer, validate),
}
