"""The part that every question about stored points shares: which bundles and files answer, and as of which day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.points.load import load_points


@dataclass(frozen=True, kw_only=True)
class BundlesQuestion(Question):
    """Which bundles of points answer: the shipped one and the installed ones, unless some are named."""

    bundles: Annotated[tuple[str, ...], Field(description="Bundles of points, by name; all if empty")] = ()
    as_of: Annotated[date | None, Field(description="Only points of runs that had ended by that day")] = None


@dataclass(frozen=True, kw_only=True)
class StoredPointsQuestion(BundlesQuestion):
    """Which operating points answer: those of the bundles, and files of your own."""

    points: Annotated[tuple[Path, ...], Field(description="Files of your own points or results")] = ()
    published: Annotated[bool, Field(description="Use the shipped published points")] = True
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()

    def read(self) -> tuple[Catalog, pl.DataFrame]:
        """The catalog with its overlays, and the points."""
        catalog = load_catalog(*self.catalog)
        points = load_points(
            self.points, published=self.published, bundles=self.bundles, as_of=self.as_of, catalog=catalog
        )
        return catalog, points
