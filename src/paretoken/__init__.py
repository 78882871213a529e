"""Measure, predict and price LLM inference across accelerators.

The flat public API. Each name loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from paretoken.version import __version__

if TYPE_CHECKING:
    from paretoken.answers.breakeven import BreakevenAnswer, BreakevenQuestion, breakeven
    from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare
    from paretoken.answers.cost import CostAnswer, CostQuestion, cost
    from paretoken.answers.frontier import FrontierAnswer, FrontierQuestion, frontiers
    from paretoken.answers.money import rental_prices, tco
    from paretoken.answers.planning import advise, outlook, selfhost
    from paretoken.answers.points import Data
    from paretoken.answers.seam import json_schema, question_from_json, to_json
    from paretoken.answers.study.config import Study, load_study
    from paretoken.answers.study.outputs import write_study
    from paretoken.answers.study.result import StudyResult
    from paretoken.answers.study.run import run_study
    from paretoken.catalog.loader import Catalog, load_catalog
    from paretoken.errors import ParetokenError
    from paretoken.frontier.curve import Curve
    from paretoken.points.files import read_points, write_points
    from paretoken.points.load import import_file, load_points
    from paretoken.points.published import published_points
    from paretoken.points.selection import Selection
    from paretoken.prices.cost import break_even_rent, usd_per_mtok

_MODULES = {
    "answers.breakeven": ("BreakevenAnswer", "BreakevenQuestion", "breakeven"),
    "answers.compare": ("CompareAnswer", "CompareQuestion", "compare"),
    "answers.cost": ("CostAnswer", "CostQuestion", "cost"),
    "answers.frontier": ("FrontierAnswer", "FrontierQuestion", "frontiers"),
    "answers.money": ("rental_prices", "tco"),
    "answers.planning": ("advise", "outlook", "selfhost"),
    "answers.points": ("Data",),
    "answers.seam": ("json_schema", "question_from_json", "to_json"),
    "answers.study.config": ("Study", "load_study"),
    "answers.study.outputs": ("write_study",),
    "answers.study.result": ("StudyResult",),
    "answers.study.run": ("run_study",),
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

__all__ = [  # noqa: RUF022
    "__version__",
    "BreakevenAnswer",
    "BreakevenQuestion",
    "Catalog",
    "CompareAnswer",
    "CompareQuestion",
    "CostAnswer",
    "CostQuestion",
    "Curve",
    "Data",
    "FrontierAnswer",
    "FrontierQuestion",
    "ParetokenError",
    "Selection",
    "Study",
    "StudyResult",
    "advise",
    "break_even_rent",
    "breakeven",
    "compare",
    "cost",
    "frontiers",
    "import_file",
    "json_schema",
    "load_catalog",
    "load_points",
    "load_study",
    "outlook",
    "published_points",
    "question_from_json",
    "read_points",
    "rental_prices",
    "run_study",
    "selfhost",
    "tco",
    "to_json",
    "usd_per_mtok",
    "write_points",
    "write_study",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
