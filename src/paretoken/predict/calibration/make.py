"""A calibration from operating points: the fit, its cross-validation, and the origin of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration import crude
from paretoken.predict.calibration.band_fit import fit_bands
from paretoken.predict.calibration.bands import assumed_bands
from paretoken.predict.calibration.coverage import (
    GroupCoverage,
    NominalCoverage,
    group_coverage,
    intervals,
    nominal_coverage,
)
from paretoken.predict.calibration.design import Effects
from paretoken.predict.calibration.effects import of_its_day, typical_days, without_medians
from paretoken.predict.calibration.file import CALIBRATION_VERSION, Calibration, CellError
from paretoken.predict.calibration.fit import Problem, fit, problem
from paretoken.predict.calibration.novelty import seen_cases, sites
from paretoken.predict.calibration.own_bands import bands_with_own
from paretoken.predict.calibration.ranks import Ranks, ranks
from paretoken.predict.calibration.sample import CalibrationSample, sample, single_runs, within_slots
from paretoken.predict.calibration.scoreboard import TARGET_MODELS, Score, counts, noise, score_values, scores
from paretoken.predict.calibration.splits import CELL, SPLITS
from paretoken.predict.calibration.validate import HeldOut, validate
from paretoken.predict.calibration.worst import WorstCell, worst_cells
from paretoken.predict.deployment import Case
from paretoken.predict.pools.learn import cross_validate_pools, with_pools
from paretoken.predict.pools.splits import SPLITS as POOL_SPLITS
from paretoken.predict.pools.validate import PoolCell
from paretoken.predict.settings import EngineSettings
from paretoken.predict.steady import TIMES
from paretoken.version import __version__

OnProgress = Callable[[str], None]
FEWEST_POINTS = 3


def calibrate(
    points: pl.DataFrame,
    *,
    base: Calibration | None = None,
    splits: Sequence[str] = tuple(SPLITS),
    workers: int = 2,
    settings: EngineSettings | None = None,
    own_bands: bool = True,
    catalog: Catalog | None = None,
    on_progress: OnProgress = lambda text: None,
) -> Calibration:
    """Fit prepared points, on top of `base` if one is given, and cross-validate.

    On top of a base its effects are where the priors stand, and its bands hold but for the spread of the cells that
    were measured (not without `own_bands`). Points of one day then show the server as it is, whatever date or version a
    prediction states or leaves out. `settings` are those of the server that all points are of. NoData if fewer than
    three points can be learned from.
    """
    catalog = catalog or load_catalog()
    learned = _enough(points, catalog)
    learned = _in_steady_state(learned) if base else learned
    day = _only_day(learned) if base else None
    if day is not None:
        learned = replace(learned, cases=[_undated(c) for c in learned.cases])
    if settings is not None:
        learned = replace(learned, cases=[_with_settings(c, settings) for c in learned.cases])
    effects = Effects.of(within_slots(learned.cases, catalog), catalog)
    p = problem(learned, effects, catalog, base.effects if base else None)
    on_progress(f"fitting {len(effects.keys):,} effects to {len(learned):,} points")
    values = fit(p, on_step=lambda step, loss: on_progress(f"step {step + 1}: loss {loss:,.0f}"))
    folds = [] if base else _held_out(learned, splits, workers, catalog, on_progress)
    baseline = crude.hold_out(learned, [h.fold for h in folds], catalog)
    fitted = dict(zip(effects.keys, map(float, values), strict=True))
    before = without_medians(base.effects, fitted) if base else {}
    fitted |= of_its_day(fitted, day) if day else {}
    seen = (base.seen if base else frozenset()) | seen_cases(learned.cases, sites(learned.table))
    judged = intervals(folds, learned, catalog, workers=workers, on_progress=on_progress) if folds else None
    bands = fit_bands(judged.cases) if judged else assumed_bands()
    if base:
        bands = bands_with_own(base.bands, learned, p, seen, catalog) if own_bands else base.bands
    single = Calibration(
        effects={**before, **({} if day else typical_days(fitted)), **fitted},
        bands=bands,
        seen=seen,
        made_from=_made_from(learned, points, base),
        errors={
            "cells": _cell_errors(learned, p, values),
            "splits": [score_values(score) for score in scores(folds, baseline, learned, bands=judged)],
        },
    )
    return with_pools(single, points, catalog, base=base, validate=bool(splits), on_progress=on_progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """Scores; intervals by group and at several nominal coverages; by split who wins at equal latency; the worst cells;
    noise of repeated runs. `pools` are the scores of disaggregated serving, `pool_cells` its worst cells.
    """

    scores: list[Score]
    groups: list[GroupCoverage]
    intervals: list[NominalCoverage]
    ranks: dict[str, Ranks]
    worst: list[WorstCell]
    noise: dict[str, float]
    pools: list[Score]
    pool_cells: list[PoolCell]


def cross_validate(
    points: pl.DataFrame,
    splits: Sequence[str],
    *,
    everything: bool = False,
    workers: int = 2,
    catalog: Catalog | None = None,
    on_progress: OnProgress = lambda text: None,
) -> Scoreboard:
    """Fit without each fold; scored over the target models, or over everything.

    `splits` are names of `SPLITS`, of `POOL_SPLITS` or of both: each is held out where there is one of that name.
    """
    catalog = catalog or load_catalog()
    pools, pool_cells = _pool_scores(points, splits, catalog, on_progress)
    of_one = [name for name in splits if name in SPLITS]
    if not of_one:
        return Scoreboard(
            scores=[], groups=[], intervals=[], ranks={}, worst=[], noise={}, pools=pools, pool_cells=pool_cells
        )
    learned = _enough(points, catalog)
    folds = _held_out(learned, of_one, workers, catalog, on_progress)
    baseline = crude.hold_out(learned, [h.fold for h in folds], catalog)
    held_back = list(dict.fromkeys(h.fold.split for h in folds))
    judged = intervals(folds, learned, catalog, workers=workers, on_progress=on_progress)
    models = None if everything else TARGET_MODELS
    return Scoreboard(
        scores=scores(folds, baseline, learned, models, judged),
        groups=group_coverage(judged, learned.table),
        intervals=nominal_coverage(judged),
        ranks={split: ranks(folds, baseline, learned, split) for split in held_back},
        worst=worst_cells(judged, learned.table, counts(learned.table, models)),
        noise=noise(single_runs(points, catalog)),
        pools=pools,
        pool_cells=pool_cells,
    )


def _pool_scores(
    points: pl.DataFrame, splits: Sequence[str], catalog: Catalog, on_progress: OnProgress
) -> tuple[list[Score], list[PoolCell]]:
    """Errors of disaggregated points by the splits of these names, on top of a fit to all single deployments."""
    names = [name for name in POOL_SPLITS if name in splits]
    if not names:
        return [], []
    single = calibrate(points, splits=(), catalog=catalog, on_progress=on_progress)
    return cross_validate_pools(points, single, catalog, names, on_progress)


def _held_out(
    learned: CalibrationSample, splits: Sequence[str], workers: int, catalog: Catalog, on_progress: OnProgress
) -> list[HeldOut]:
    folds: list[HeldOut] = []
    for fold in validate(learned, splits, workers=workers, catalog=catalog):
        folds.append(fold)
        on_progress(f"{len(folds)} parts held back, without {fold.fold.split} {fold.fold.name}")
    return folds


def _enough(points: pl.DataFrame, catalog: Catalog) -> CalibrationSample:
    s = sample(points, catalog)
    if len(s) < FEWEST_POINTS:
        raise NoData(
            f"{len(s)} of {len(points)} points are usable, at least {FEWEST_POINTS} are needed: closed loops "
            "on one node with a TPOT, not emulated, of models, accelerators and engines that the catalog knows"
        )
    return s


def _in_steady_state(learned: CalibrationSample) -> CalibrationSample:
    """A user's own runs, measured between their start and their end: a mean TTFT beside a median says nothing of the
    start, and the throughput is what a prediction prints.
    """
    t = learned.table
    own = (t["origin"] == "measured").to_numpy()
    observed, times = learned.observed.copy(), learned.times.copy()
    observed[own & np.isfinite(observed[:, 2]), 3] = np.nan
    times[own & (t["total_tput_per_gpu_tok_s"] * t["n_gpus"]).is_not_null().to_numpy(), 1] = TIMES.index("run")
    return replace(learned, observed=observed, times=times)


def _only_day(learned: CalibrationSample) -> str | None:
    """The day of all cases, "" if none has one; None for several."""
    days = {c.deployment.date or "" for c in learned.cases}
    return days.pop() if len(days) == 1 else None


def _undated(case: Case) -> Case:
    return replace(case, deployment=replace(case.deployment, date=None, engine_version=""))


def _with_settings(case: Case, settings: EngineSettings) -> Case:
    return replace(case, deployment=replace(case.deployment, settings=settings))


def _made_from(s: CalibrationSample, points: pl.DataFrame, base: Calibration | None) -> dict[str, object]:
    sources = s.table.group_by("source", "origin").len().sort("source", "origin")
    return {
        "tool_version": __version__,
        "calibration_version": CALIBRATION_VERSION,
        "points": len(s),
        "points_given": len(points),
        "points_sha256": points_digest(s),
        "sources": [f"{r['source']} ({r['origin']}): {r['len']}" for r in sources.iter_rows(named=True)],
        **({"on_top_of": dict(base.made_from)} if base else {}),
    }


def points_digest(learned: CalibrationSample) -> str:
    """A digest of the points learned from: equal for two calibrations of the same points."""
    rows = sorted(f"{c!r} {np.round(o, 9).tolist()}" for c, o in zip(learned.cases, learned.observed, strict=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _cell_errors(learned: CalibrationSample, p: Problem, values: Floats) -> list[CellError]:
    """Mean absolute error of every cell with a TPOT that was learned from, in the sample itself."""
    left = p.observed - p.predict(values)
    table = learned.table.with_columns(
        tpot=pl.Series(np.abs(np.expm1(-left[:, 0]))), throughput=pl.Series(np.abs(np.expm1(left[:, 1])))
    )
    cells = (
        table.with_columns(pl.col("tpot", "throughput").fill_nan(None))
        .group_by(CELL)
        .agg(pl.len().alias("points"), pl.col("tpot").mean().round(4), pl.col("throughput").mean().round(4))
        .drop_nulls("tpot")
    )
    return [
        CellError(
            accelerator=row["accelerator"],
            engine=row["engine"],
            model=row["model"],
            precision=row["precision"],
            points=row["points"],
            tpot=row["tpot"],
            throughput=row["throughput"],
        )
        for row in cells.sort(CELL).iter_rows(named=True)
    ]
