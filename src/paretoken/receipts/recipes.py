"""The recipes of what a user names: a place with a run, or points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from paretoken.bench.run_folder import LEVELS, RUN
from paretoken.errors import NoData
from paretoken.points.load import load_points
from paretoken.receipts.of_point import point_id, points_named
from paretoken.receipts.of_run import recipe_of_run
from paretoken.receipts.places import runs_at
from paretoken.receipts.recipe import ReproductionRecipe


def recipes_at(place: Path) -> list[ReproductionRecipe]:
    """The recipes of a run, of each run of a campaign, of a level, or of an archive."""
    place = Path(place)
    run = place.resolve().parent.parent
    if place.resolve().parent.name == LEVELS and (run / RUN).is_file():
        return [recipe_of_run(run, str(run), place.resolve().name)]
    with runs_at(place) as runs:
        return [recipe_of_run(folder, name) for name, folder in runs]


def chosen_points(
    name: str | None, files: Iterable[Path] = (), chosen: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The published points, and those in files, that have a name and these values; equal rows once.

    NoData where none has; UnknownName where none has the name.
    """
    points = load_points(files)
    for column, value in (chosen or {}).items():
        points = points.filter(pl.col(column) == value)
    if points.is_empty():
        values = ", ".join(f"{column} {value}" for column, value in (chosen or {}).items())
        raise NoData(f"no point has {values}; leave out an option")
    if name is not None:
        return points_named(points, name)
    return list({point_id(row): row for row in points.iter_rows(named=True)}.values())
