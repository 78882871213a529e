"""The question behind `paretoken history`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, NoData
from paretoken.history.series import FEWEST_DATES, Series, series_at_latency, series_at_load
from paretoken.points.load import load_points


def ask(
    model: str,
    *,
    accelerator: str | None = None,
    engine: str | None = None,
    precision: str | None = None,
    workload: str | None = None,
    files: Iterable[Path] = (),
    published: bool = True,
    e2e_s: float | None = None,
    interactivity: float | None = None,
    alpha: float = 0.01,
    smallest: float = 0.02,
) -> list[Series]:
    """Every series that matches; NoData if none has enough dates. Names may be any that the catalog knows."""
    if e2e_s is not None and interactivity is not None:
        raise BadConfig("give --e2e or --interactivity, not both")
    catalog = load_catalog()
    points = load_points(files, published=published, catalog=catalog).filter(pl.col("suspicious").is_null())
    wanted = {
        "model": catalog.models.id_or_own(model, points["model"].unique()),
        "accelerator": accelerator and catalog.accelerators.id_or_own(accelerator, points["accelerator"].unique()),
        "engine": engine and catalog.engines.id_or_own(engine, points["engine"].unique()),
        "precision": precision,
    }
    if workload:
        chosen = catalog.workload(workload)
        wanted |= {"isl": chosen.isl, "osl": chosen.osl}
    rows = points.filter([pl.col(k) == v for k, v in wanted.items() if v is not None])
    if e2e_s is not None:
        found = series_at_latency(rows, "e2e", e2e_s, alpha=alpha, smallest=smallest)
    elif interactivity is not None:
        found = series_at_latency(rows, "interactivity", interactivity, alpha=alpha, smallest=smallest)
    else:
        found = series_at_load(rows, alpha=alpha, smallest=smallest)
    if not found:
        raise NoData(
            f"no configuration of {wanted['model']} that matches has results of {FEWEST_DATES} single dates; "
            "add your own with --points, or ask for less"
        )
    return found
