"""What the bundles hold, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from paretoken.points.as_of import last_day
from paretoken.points.bundles import Bundle, Manifest, bundle, chosen, installed, rows_by_bundle, shipped


@dataclass(frozen=True, slots=True)
class ListedBundle:
    """A bundle, and how many of its rows are used: those that no newer bundle holds."""

    manifest: Manifest
    rows_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The rows of one source, model, accelerator and engine, and the first and last day of their runs."""

    source: str
    model: str
    accelerator: str
    engine: str
    rows: int
    first_day: str | None
    last_day: str | None


def listed() -> list[ListedBundle]:
    """Every bundle, the newest first, the shipped one last."""
    bundles = chosen()
    used = rows_by_bundle(bundles)
    return [ListedBundle(b.manifest, rows.height) for b, rows in zip(bundles, used, strict=True)]


def contents(name: str) -> list[Content]:
    """What a bundle holds, by source, model, accelerator and engine."""
    keys = [pl.col(column) for column in ("source", "model", "accelerator", "engine")]
    day = last_day().cast(pl.String)
    table = bundle(name).read().group_by(keys).agg(rows=pl.len(), first_day=day.min(), last_day=day.max()).sort(keys)
    return [Content(**row) for row in table.iter_rows(named=True)]


def verified(names: Iterable[str] = ()) -> list[Bundle]:
    """The bundles of those names, or all, each read from disk and found whole; BadFile for the first that is not."""
    wanted = list(names)
    bundles = [bundle(name) for name in wanted] if wanted else [shipped(), *installed()]
    for b in bundles:
        b.read()
    return bundles
