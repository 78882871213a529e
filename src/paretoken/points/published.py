"""The published operating points that come with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl

from paretoken.points.derived import derive
from paretoken.points.files import read_points
from paretoken.points.same_run import with_runs
from paretoken.points.software import software
from paretoken.points.suspicious import flag
from paretoken.points.unstated import speculation

PUBLISHED = Path(__file__).parent / "data" / "published.parquet"


def prepare(points: pl.DataFrame) -> pl.DataFrame:
    """Stored points with every derived column, the suspicious ones flagged and the rows of one run numbered alike."""
    runs = with_runs(derive(points))
    return flag(runs.with_columns(speculation(runs), software(runs)))


@cache
def published_points() -> pl.DataFrame:
    """The shipped points, prepared; each row carries its source and licence."""
    points, _ = read_points(PUBLISHED)
    return prepare(points)
