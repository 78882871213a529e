"""Measure, predict and price LLM inference across accelerators.

The flat public API. Each name loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from paretoken.version import __version__

if TYPE_CHECKING:
    from paretoken.answers.api import breakeven, compare, cost, frontiers, load_points
    from paretoken.answers.money import against_market, rental_prices, tco
    from paretoken.answers.planning import advise, outlook, selfhost
    from paretoken.answers.study.config import Study, load_study
    from paretoken.answers.study.outputs import write_study
    from paretoken.answers.study.result import BreakEven, Comparison, StudyResult
    from paretoken.answers.study.run import run_study
    from paretoken.catalog.loader import Catalog, load_catalog
    from paretoken.errors import ParetokenError
    from paretoken.frontier.curve import Curve
    from paretoken.points.files import read_points, write_points
    from paretoken.points.importers import import_file
    from paretoken.points.published import published_points
    from paretoken.points.selection import Selection
    from paretoken.prices.cost import break_even_rent, usd_per_mtok

_MODULES = {
    "answers.api": ("breakeven", "compare", "cost", "frontiers", "load_points"),
    "answers.money": ("against_market", "rental_prices", "tco"),
    "answers.planning": ("advise", "outlook", "selfhost"),
    "answers.study.config": ("Study", "load_study"),
    "answers.study.outputs": ("write_study",),
    "answers.study.result": ("BreakEven", "Comparison", "StudyResult"),
    "answers.study.run": ("run_study",),
    "catalog.loader": ("Catalog", "load_catalog"),
    "errors": ("ParetokenError",),
    "frontier.curve": ("Curve",),
    "points.files": ("read_points", "write_points"),
    "points.importers": ("import_file",),
    "points.published": ("published_points",),
    "points.selection": ("Selection",),
    "prices.cost": ("break_even_rent", "usd_per_mtok"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [  # noqa: RUF022
    "__version__",
    "BreakEven",
    "Catalog",
    "Comparison",
    "Curve",
    "ParetokenError",
    "Selection",
    "Study",
    "StudyResult",
    "advise",
    "against_market",
    "break_even_rent",
    "breakeven",
    "compare",
    "cost",
    "frontiers",
    "import_file",
    "load_catalog",
    "load_points",
    "load_study",
    "outlook",
    "published_points",
    "read_points",
    "rental_prices",
    "run_study",
    "selfhost",
    "tco",
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
