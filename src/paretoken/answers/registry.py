"""Every verb with its question, its answer and the function between them: what a server or a schema needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from paretoken.answers.seam import Question


@dataclass(frozen=True, slots=True)
class Verb:
    """A question that can be made from JSON, its answer, and the function between them, as `module:name`.

    Each module loads on first use. The answer turns into JSON, unless `writes_files` says that it is a folder.
    """

    question_path: str
    answer_path: str
    function_path: str
    writes_files: bool = False

    @property
    def question(self) -> type[Question]:
        return cast("type[Question]", _loaded(self.question_path))

    @property
    def answer(self) -> type[object]:
        return cast("type[object]", _loaded(self.answer_path))

    @property
    def text(self) -> str:
        """What is asked: the first paragraph of the question's docstring, on one line."""
        return " ".join((self.question.__doc__ or "").split("\n\n")[0].split())

    @property
    def answer_text(self) -> str:
        """What the answer holds, likewise."""
        return " ".join((self.answer.__doc__ or "").split("\n\n")[0].split())

    @property
    def function(self) -> Callable[..., object]:
        return cast("Callable[..., object]", _loaded(self.function_path))


def _loaded(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(f"paretoken.answers.{module}"), name)


VERBS: dict[str, Verb] = {
    "advise": Verb("advise:AdviseQuestion", "advise:AdviseAnswer", "advise:advise"),
    "breakeven": Verb("breakeven:BreakevenQuestion", "breakeven:BreakevenAnswer", "breakeven:breakeven"),
    "cache-worth": Verb("cache_worth:CacheWorthQuestion", "cache_worth:CacheWorthAnswer", "cache_worth:cache_worth"),
    "check": Verb("check:CheckQuestion", "check:CheckAnswer", "check:check"),
    "compare": Verb("compare:CompareQuestion", "compare:CompareAnswer", "compare:compare"),
    "cost": Verb("cost:CostQuestion", "cost:CostAnswer", "cost:cost"),
    "data-diff": Verb("data_diff:DataDiffQuestion", "data_diff:DataDiffAnswer", "data_diff:data_diff"),
    "explain": Verb("explain:ExplainQuestion", "explain:ExplainAnswer", "explain:explain"),
    "explain-disaggregated": Verb(
        "pool_explain:ExplainPoolsQuestion", "pool_explain:ExplainPoolsAnswer", "pool_explain:explain_disaggregated"
    ),
    "fit": Verb("fit:FitQuestion", "fit:FitAnswer", "fit:fit"),
    "frontier": Verb("frontier:FrontierQuestion", "frontier:FrontierAnswer", "frontier:frontiers"),
    "history": Verb("history:HistoryQuestion", "history:HistoryAnswer", "history:history"),
    "outlook": Verb("outlook:OutlookQuestion", "outlook:OutlookAnswer", "outlook:outlook"),
    "overview": Verb("ecosystem:OverviewQuestion", "ecosystem:OverviewAnswer", "ecosystem:overview"),
    "plan": Verb("plan.question:PlanQuestion", "plan.result:PlanAnswer", "plan.run:plan"),
    "predict": Verb("predict:PredictQuestion", "predict:PredictAnswer", "predict:predict"),
    "predict-disaggregated": Verb("pools:PoolsQuestion", "pools:PoolsAnswer", "pools:predict_disaggregated"),
    "predict-trace": Verb(
        "predict_trace:PredictTraceQuestion", "predict_trace:PredictTraceAnswer", "predict_trace:predict_trace"
    ),
    "rent": Verb("rent:RentQuestion", "rent:RentAnswer", "rent:rent"),
    "rent-history": Verb("rent:RentHistoryQuestion", "rent:RentHistoryAnswer", "rent:rent_history"),
    "rent-market": Verb("rent:RentQuestion", "rent:MarketAnswer", "rent:rental_market"),
    "search-disaggregated": Verb(
        "pool_search:PoolSearchQuestion", "pool_search:PoolSearchAnswer", "pool_search:search_disaggregated"
    ),
    "selfhost": Verb("selfhost_question:SelfhostQuestion", "selfhost:SelfhostAnswer", "selfhost:selfhost"),
    "study": Verb("study.config:Study", "study.result:StudyResult", "study.run:run_study", writes_files=True),
    "tco": Verb("tco:TcoQuestion", "tco:TcoAnswer", "tco:tco"),
    "trends": Verb("outlook:TrendsQuestion", "outlook:TrendsAnswer", "outlook:trends"),
    "validate": Verb("validate:ValidateQuestion", "validate:ValidateAnswer", "validate:validate"),
}
