"""Measure, predict and price LLM inference across accelerators.

The flat public API; everything loads on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from paretoken.lazy import lazy

__version__ = "0.1.0"

_WHERE = {
    "BreakEven": "study.result",
    "Catalog": "catalog",
    "Comparison": "study.result",
    "Curve": "frontier",
    "ParetokenError": "errors",
    "Question": "frontier",
    "Study": "study.config",
    "StudyResult": "study.result",
    "advise": "planning",
    "against_market": "money",
    "break_even_rent": "economics",
    "breakeven": "api",
    "compare": "api",
    "cost": "api",
    "frontiers": "api",
    "import_file": "records.importers",
    "load_catalog": "catalog",
    "load_study": "study.config",
    "outlook": "planning",
    "points": "api",
    "prices": "money",
    "published_points": "records",
    "read_points": "records",
    "run_study": "study.run",
    "selfhost": "planning",
    "tco": "money",
    "usd_per_mtok": "economics",
    "write_points": "records",
    "write_study": "study.outputs",
}

__all__ = ["__version__", *sorted(_WHERE)]  # noqa: PLE0604


__getattr__, __dir__ = lazy(__name__, _WHERE)
