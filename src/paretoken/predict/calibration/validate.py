"""Cross-validation: what the model makes of points it has not learned from, split by split."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.design import Effects
from paretoken.predict.calibration.effects import typical_days
from paretoken.predict.calibration.fit import ROUGHLY, Problem, fit, problem
from paretoken.predict.calibration.sample import CalibrationSample, within_slots
from paretoken.predict.calibration.splits import SPLITS, Fold


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The held-out cases of one fold: where they are in the sample, and ln(observed/predicted), (n, outcomes)."""

    fold: Fold
    residual: Floats


_effects: Effects
_problem: Problem


def validate(
    sample: CalibrationSample,
    names: Iterable[str] = SPLITS,
    *,
    workers: int = 2,
    catalog: Catalog | None = None,
) -> Iterator[HeldOut]:
    """Refit without each fold and predict it, fold by fold as they are done.

    Every refit begins at the priors: a fit of everything would have learned from what is held back.
    """
    folds = [fold for name in names for fold in SPLITS[name](sample.table) if fold.mask.any() and not fold.mask.all()]
    jobs = [(f, sample.take(~f.mask).weight) for f in folds]
    with _pool(sample, workers, catalog or load_catalog()) as pool:
        yield from pool.map(_one, jobs)


@contextmanager
def _pool(sample: CalibrationSample, workers: int, catalog: Catalog) -> Iterator[ProcessPoolExecutor]:
    """Processes started afresh, as polars' threads do not survive a fork, each with one thread of linear algebra."""
    context = multiprocessing.get_context("spawn")
    with _environment(ONE_THREAD), ProcessPoolExecutor(workers, context, _begin, (sample, catalog)) as pool:
        yield pool


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {k: os.environ.get(k) for k in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key)
            if value is not None:
                os.environ[key] = value


def _begin(sample: CalibrationSample, catalog: Catalog) -> None:
    global _effects, _problem  # noqa: PLW0603 - a worker process has one problem
    _effects = Effects.of(within_slots(sample.cases, catalog), catalog)
    _problem = problem(sample, _effects, catalog)


def _one(job: tuple[Fold, Floats]) -> HeldOut:
    fold, weight = job
    learned = _problem.take(~fold.mask, weight)
    values = fit(learned, enough=ROUGHLY)
    bearing = learned.design.bearing()
    effects = {k: v for k, v, borne in zip(_effects.keys, values, bearing, strict=True) if borne}
    rest = _problem.take(fold.mask, np.ones(int(fold.mask.sum())))
    return HeldOut(fold, rest.observed - rest.predict(_effects.values({**typical_days(effects), **effects})))
