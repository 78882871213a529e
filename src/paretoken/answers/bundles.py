"""The part that every question about stored points shares: which bundles and files answer, and as of which day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import Field

from paretoken.answers.seam import Question


@dataclass(frozen=True, kw_only=True)
class BundlesQuestion(Question):
    """Which bundles of points answer: the shipped one and the installed ones, unless some are named."""

    bundles: Annotated[tuple[str, ...], Field(description="Bundles of points, by name; all if empty")] = ()
    as_of: Annotated[date | None, Field(description="Only points of runs that had ended by that day")] = None
