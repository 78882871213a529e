"""The calibration of disaggregated serving: fit, cross-validation, intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.file import Calibration, PoolCalibration
from paretoken.predict.calibration.scoreboard import Score, score_values
from paretoken.predict.pools.fit import PoolProblem, fit_pools
from paretoken.predict.pools.intervals import fit_pool_bands, learned_names
from paretoken.predict.pools.sample import pool_sample
from paretoken.predict.pools.splits import SPLITS
from paretoken.predict.pools.validate import PoolCell, hold_out, pool_scores, worst_pool_cells

OnProgress = Callable[[str], None]
FEWEST_POINTS = 3


def with_pools(
    calibration: Calibration,
    points: pl.DataFrame,
    catalog: Catalog,
    *,
    base: Calibration | None = None,
    validate: bool = True,
    on_progress: OnProgress = lambda text: None,
) -> Calibration:
    """The calibration of single deployments with what disaggregated points add to it.

    On top of a base, the priors are centred on its effects, and its intervals are kept. With fewer than `FEWEST_POINTS`
    points, `calibration` is returned with the part on pools of its base.
    """
    earlier = base.pools if base else PoolCalibration()
    learned = pool_sample(points, catalog)
    if len(learned) < FEWEST_POINTS:
        return replace(calibration, pools=earlier)
    p = PoolProblem.of(learned, calibration, catalog, on_top=base is not None)
    on_progress(f"fitting {len(p.keys):,} effects to {len(learned):,} disaggregated points")
    fitted = dict(zip(p.keys, map(float, fit_pools(p)), strict=True))
    folds = hold_out(p, learned.cases, catalog, on_progress=on_progress) if validate and not base else []
    names = learned_names(learned.cases, catalog)
    pools = PoolCalibration(
        bands=earlier.bands or fit_pool_bands(folds, learned.cases, catalog),
        seen={kind: own | earlier.seen.get(kind, frozenset()) for kind, own in names.items()},
        errors=earlier.errors or [score_values(s) for s in pool_scores(folds, learned.cases, catalog)],
    )
    return replace(calibration, effects={**calibration.effects, **fitted}, pools=pools)


def cross_validate_pools(
    points: pl.DataFrame,
    calibration: Calibration,
    catalog: Catalog,
    splits: Sequence[str] = tuple(SPLITS),
    on_progress: OnProgress = lambda text: None,
) -> tuple[list[Score], list[PoolCell]]:
    """Errors of disaggregated points held back, on top of a calibration of single deployments, and the worst cells.

    None with too few points; cells only where the split `cell` is among the splits.
    """
    learned = pool_sample(points, catalog)
    if len(learned) < FEWEST_POINTS:
        return [], []
    p = PoolProblem.of(learned, calibration, catalog)
    folds = hold_out(p, learned.cases, catalog, splits, on_progress)
    return pool_scores(folds, learned.cases, catalog), worst_pool_cells(folds, learned.cases)
