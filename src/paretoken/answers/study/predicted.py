"""What a study predicts: the cells of its matrix that hold no point of their own."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from paretoken.answers.study.config import Predicted
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.points.published import prepare
from paretoken.predict.configure import case, sizes_that_fit
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.predictor import predict_cases
from paretoken.predict.published_settings import published_settings
from paretoken.predict.rows import predicted_points


def with_predictions(points: pl.DataFrame, config: Predicted | None, catalog: Catalog) -> pl.DataFrame:
    """The points, and predicted ones for every cell of the matrix that has none; each row says which it is."""
    if config is None:
        return points
    cases = missing(points, config, catalog)
    if not cases:
        return points
    return pl.concat([points, prepare(predicted_points(predict_cases(cases, catalog=catalog)))], how="diagonal_relaxed")


def missing(points: pl.DataFrame, config: Predicted, catalog: Catalog) -> list[Case]:
    """The cases to predict: every practical TP size at every number of users, where the engine runs on the vendor."""
    cell = ["accelerator", "engine", "model", "precision", "isl", "osl"]
    measured = set(points.select(cell).unique().iter_rows())
    out: list[Case] = []
    for model, precision in config.models:
        for w in map(catalog.workload, config.workloads):
            for accelerator in map(catalog.accelerators.id_of, config.accelerators):
                for engine in map(catalog.engines.id_of, config.engines):
                    name = catalog.models.id_of(model)
                    vendor = catalog.accelerators[accelerator].vendor
                    has_points = (accelerator, engine, name, precision, w.isl, w.osl) in measured
                    if has_points or vendor not in catalog.engines[engine].vendors:
                        continue
                    lengths = Lengths(w.isl, w.osl, config.length_range_ratio)
                    out += _ladder(
                        Deployment(
                            accelerator=accelerator, model=name, precision=precision, engine=engine, gpus=1, tp=1
                        ),
                        lengths,
                        config.users,
                        catalog,
                    )
    return out


def _ladder(deployment: Deployment, lengths: Lengths, users: list[int], catalog: Catalog) -> list[Case]:
    """Every size that fits at every number of users, served as the published curves around it; none where none fits."""
    try:
        usual = published_settings(deployment, lengths, max(users, default=1))
        sized = sizes_that_fit(replace(deployment, settings=usual), catalog, lengths=lengths)
    except BadConfig:
        return []
    checked = [case(d, lengths, max(users, default=1), catalog=catalog) for d in sized]
    return [_served(c, float(n)) for c in checked for n in users]


def _served(c: Case, users: float) -> Case:
    """The case at this concurrency, with the settings of the published runs at it."""
    d = c.deployment
    return replace(c, deployment=replace(d, settings=published_settings(d, c.lengths, users)), concurrency=users)
