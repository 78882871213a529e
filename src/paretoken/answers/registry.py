"""Every verb with its question, its answer and the function between them: what a server or a schema needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paretoken.answers.breakeven import BreakevenAnswer, BreakevenQuestion, breakeven
from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare
from paretoken.answers.cost import CostAnswer, CostQuestion, cost
from paretoken.answers.frontier import FrontierAnswer, FrontierQuestion, frontiers
from paretoken.answers.study.config import Study
from paretoken.answers.study.result import StudyResult
from paretoken.answers.study.run import run_study


@dataclass(frozen=True, slots=True)
class Verb:
    """`question` can be made from JSON, and so can JSON of `answer` unless `writes_files` says that it is a folder."""

    question: type[object]
    answer: type[object]
    function: Callable[..., object]
    writes_files: bool = False


VERBS: dict[str, Verb] = {
    "breakeven": Verb(BreakevenQuestion, BreakevenAnswer, breakeven),
    "compare": Verb(CompareQuestion, CompareAnswer, compare),
    "cost": Verb(CostQuestion, CostAnswer, cost),
    "frontier": Verb(FrontierQuestion, FrontierAnswer, frontiers),
    "study": Verb(Study, StudyResult, run_study, writes_files=True),
}
