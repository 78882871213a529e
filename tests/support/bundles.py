"""Inputs and states of installed bundles."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from paretoken.points.files import write_points
from paretoken.points.published import published_points
from paretoken.points.schema import conform
from tests.support.foreign import DATA

DUMP = DATA / "inferencex_dump"
DASHBOARD = DATA / "atom_dashboard.js"


def files_below(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def some_points(rows: int = 3, **columns: object) -> pl.DataFrame:
    """Published points with these columns replaced."""
    return conform(published_points().head(rows)).with_columns(**{k: pl.lit(v) for k, v in columns.items()})


def own_points(folder: Path, name: str = "own.parquet", **columns: object) -> Path:
    """The path of a file of such points."""
    write_points(some_points(**columns), folder / name)
    return folder / name
