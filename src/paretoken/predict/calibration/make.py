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
from paretoken.predict.calibration.design import Effects
from paretoken.predict.calibration.effects import of_its_day, typical_days, without_medians
from paretoken.predict.calibration.file import CALIBRATION_VERSION, Calibration, CellError, seen_cases
from paretoken.predict.calibration.fit import Problem, fit, problem
from paretoken.predict.calibration.ranks import Ranks, ranks
from paretoken.predict.calibration.sample import CalibrationSample, sample, single_runs
from paretoken.predict.calibration.scoreboard import TARGET_MODELS, Score, WorstCell, bands, noise, scores, worst_cells
from paretoken.predict.calibration.splits import CELL, SPLITS
from paretoken.predict.calibration.validate import HeldOut, validate
from paretoken.predict.deployment import Case
from paretoken.predict.settings import EngineSettings
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
    catalog: Catalog | None = None,
    on_progress: OnProgress = lambda text: None,
) -> Calibration:
    """Fit prepared points, on top of `base` if one is given, and cross-validate.

    On top of a base its effects are where the priors stand, and its bands hold for what the points do not tell. Points
    of one day then show the server as it is, whatever date or version a prediction states or leaves out. `settings`
    are those of the server that all points are of. NoData if fewer than three points can be learned from.
    """
    catalog = catalog or load_catalog()
    learned = _enough(points, catalog)
    day = _only_day(learned) if base else None
    if day is not None:
        learned = replace(learned, cases=[_undated(c) for c in learned.cases])
    if settings is not None:
        learned = replace(learned, cases=[_with_settings(c, settings) for c in learned.cases])
    effects = Effects.of(learned.cases, catalog)
    p = problem(learned, effects, catalog, base.effects if base else None)
    on_progress(f"fitting {len(effects.keys):,} effects to {len(learned):,} points")
    values = fit(p, on_step=lambda step, loss: on_progress(f"step {step + 1}: loss {loss:,.0f}"))
    folds = [] if base else _held_out(learned, splits, workers, catalog, on_progress)
    baseline = crude.hold_out(learned, [h.fold for h in folds], catalog)
    fitted = dict(zip(effects.keys, map(float, values), strict=True))
    before = without_medians(base.effects, fitted) if base else {}
    fitted |= of_its_day(fitted, day) if day else {}
    return Calibration(
        effects={**before, **({} if day else typical_days(fitted)), **fitted},
        bands=base.bands if base else bands(folds),
        seen=(base.seen if base else frozenset()) | seen_cases(learned.cases),
        made_from=_made_from(learned, points, base),
        errors={
            "cells": _cell_errors(learned, p, values),
            "splits": [_split_error(score) for score in scores(folds, baseline, learned)],
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """Scores; by split who wins at equal latency, and the worst cells; noise of repeated runs."""

    scores: list[Score]
    ranks: dict[str, Ranks]
    worst: dict[str, list[WorstCell]]
    noise: dict[str, float]


def cross_validate(
    points: pl.DataFrame,
    splits: Sequence[str],
    *,
    everything: bool = False,
    workers: int = 2,
    catalog: Catalog | None = None,
    on_progress: OnProgress = lambda text: None,
) -> Scoreboard:
    """Fit without each fold; scored over the target models, or over everything."""
    catalog = catalog or load_catalog()
    learned = _enough(points, catalog)
    folds = _held_out(learned, splits, workers, catalog, on_progress)
    baseline = crude.hold_out(learned, [h.fold for h in folds], catalog)
    held_back = list(dict.fromkeys(h.fold.split for h in folds))
    return Scoreboard(
        scores=scores(folds, baseline, learned, None if everything else TARGET_MODELS),
        ranks={split: ranks(folds, baseline, learned, split) for split in held_back},
        worst={split: worst_cells(folds, learned, split) for split in held_back},
        noise=noise(single_runs(points, catalog)),
    )


def _held_out(
    learned: CalibrationSample, splits: Sequence[str], workers: int, catalog: Catalog, on_progress: OnProgress
) -> list[HeldOut]:
    folds: list[HeldOut] = []
    for fold in validate(learned, splits, workers=workers, catalog=catalog):
        folds.append(fold)
        on_progress(f"without {fold.fold.split} {fold.fold.name}")
    return folds


def _enough(points: pl.DataFrame, catalog: Catalog) -> CalibrationSample:
    s = sample(points, catalog)
    if len(s) < FEWEST_POINTS:
        raise NoData(
            f"{len(s)} of {len(points)} points are usable, at least {FEWEST_POINTS} are needed: closed loops "
            "on one node with a TPOT, not emulated, of models, accelerators and engines that the catalog knows"
        )
    return s


def _only_day(learned: CalibrationSample) -> str | None:
    """The day of all cases, "" if none has one; None for several."""
    days = {c.deployment.date or "" for c in learned.cases}
    return days.pop() if len(days) == 1 else None


def _undated(case: Case) -> Case:
    return replace(case, deployment=replace(case.deployment, date=None, engine_version=""))


def _with_settings(case: Case, settings: EngineSettings) -> Case:
    return replace(case, deployment=replace(case.deployment, settings=settings))


def _split_error(score: Score) -> dict[str, object]:
    """A score as a calibration keeps it: rounded, without what is not defined."""
    values = {
        "split": score.split,
        "outcome": score.outcome,
        "cases": score.cases,
        "mape": score.mape,
        "median": score.median,
        "bias": score.bias,
        "coverage": score.coverage,
        "crude": score.crude,
    }
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items() if v == v}


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
    """Mean absolute error of every cell that was learned from, in the sample itself."""
    left = p.observed - p.predict(values)
    table = learned.table.with_columns(
        tpot=pl.Series(np.abs(np.expm1(-left[:, 0]))), throughput=pl.Series(np.abs(np.expm1(left[:, 1])))
    )
    cells = table.group_by(CELL).agg(
        pl.len().alias("points"), pl.col("tpot").mean().round(4), pl.col("throughput").mean().round(4)
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
