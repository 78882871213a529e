"""Measure, predict and price LLM inference across accelerators.

The flat public API. Each name loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from paretoken.version import __version__

if TYPE_CHECKING:
    from paretoken.answers.advise import AdviseQuestion, advise
    from paretoken.answers.breakeven import BreakevenAnswer, BreakevenQuestion, breakeven
    from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare
    from paretoken.answers.cost import CostAnswer, CostQuestion, cost
    from paretoken.answers.frontier import FrontierAnswer, FrontierQuestion, frontiers
    from paretoken.answers.market import MarketQuestion, rental_prices
    from paretoken.answers.outlook import OutlookQuestion, outlook
    from paretoken.answers.points import Data
    from paretoken.answers.rent import RentQuestion, rent
    from paretoken.answers.seam import json_schema, question_from_json, to_json
    from paretoken.answers.selfhost import SelfhostQuestion, selfhost
    from paretoken.answers.study.config import Study, load_study
    from paretoken.answers.study.outputs import write_study
    from paretoken.answers.study.result import StudyResult
    from paretoken.answers.study.run import run_study
    from paretoken.answers.tco import TcoQuestion, tco
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
    "answers.points": ("Data",),
    "answers.seam": ("json_schema", "question_from_json", "to_json"),
    "answers.advise": ("AdviseQuestion", "advise"),
    "answers.market": ("MarketQuestion", "rental_prices"),
    "answers.outlook": ("OutlookQuestion", "outlook"),
    "answers.rent": ("RentQuestion", "rent"),
    "answers.selfhost": ("SelfhostQuestion", "selfhost"),
    "answers.tco": ("TcoQuestion", "tco"),
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
    "AdviseQuestion",
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
    "MarketQuestion",
    "OutlookQuestion",
    "ParetokenError",
    "RentQuestion",
    "Selection",
    "SelfhostQuestion",
    "Study",
    "StudyResult",
    "TcoQuestion",
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
    "rent",
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
