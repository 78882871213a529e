"""A calibration from operating points: the fit, its cross-validation, and where both came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from paretoken import __version__
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData
from paretoken.predict.calibration import crude
from paretoken.predict.calibration.design import Effects
from paretoken.predict.calibration.effects import typical_days, without_medians
from paretoken.predict.calibration.file import CALIBRATION_VERSION, Calibration, seen_cases
from paretoken.predict.calibration.fit import Problem, fit, problem
from paretoken.predict.calibration.sample import CalibrationSample, sample
from paretoken.predict.calibration.ranks import Ranks, ranks
from paretoken.predict.calibration.scoreboard import TARGET_MODELS, Score, bands, noise, scores, worst_cells
from paretoken.predict.calibration.splits import SPLITS
from paretoken.predict.calibration.validate import HeldOut, validate

Told = Callable[[str], None]
FEWEST_POINTS = 3


def calibrate(
    points: pl.DataFrame,
    *,
    base: Calibration | None = None,
    splits: Sequence[str] = tuple(SPLITS),
    workers: int = 2,
    catalog: Catalog | None = None,
    told: Told = lambda text: None,
) -> Calibration:
    """Fit prepared points, on top of `base` if one is given, and cross-validate.

    On top of a base its effects are where the priors stand, and its bands hold for what the points do not tell.
    NoData where fewer than three points can be learned from.
    """
    catalog = catalog or load_catalog()
    s = _enough(points, catalog)
    effects = Effects.of(s.cases, catalog)
    p = problem(s, effects, catalog, base.effects if base else None)
    told(f"fitting {len(effects.keys):,} effects to {len(s):,} points")
    values = fit(p, told=lambda step, loss: told(f"step {step + 1}: loss {loss:,.0f}"))
    found: list[HeldOut] = []
    for held in () if base else validate(s, splits, workers=workers, catalog=catalog):
        found.append(held)
        told(f"without {held.fold.split} {held.fold.name}")
    baseline = crude.hold(s, [h.fold for h in found], catalog)
    fitted = dict(zip(effects.keys, map(float, values), strict=True))
    before = without_medians(base.effects, fitted) if base else {}
    return Calibration(
        effects={**before, **typical_days(fitted), **fitted},
        bands=base.bands if base else bands(found),
        seen=(base.seen if base else frozenset()) | seen_cases(s.cases),
        made_from=_made_from(s, points, base),
        errors={"cells": _cells(s, p, values), "splits": [_row(x) for x in scores(found, baseline, s)]},
    )


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """A whole scoreboard: scores; by split who wins at equal latency, and the worst cells; noise of repeated runs."""

    scores: list[Score]
    ranks: dict[str, Ranks]
    worst: dict[str, pl.DataFrame]
    noise: dict[str, float]


def cross_validate(
    points: pl.DataFrame,
    splits: Sequence[str],
    *,
    everything: bool = False,
    workers: int = 2,
    catalog: Catalog | None = None,
    told: Told = lambda text: None,
) -> Board:
    """Fit without each fold; scored over the target models, or over everything."""
    catalog = catalog or load_catalog()
    s = _enough(points, catalog)
    found = []
    for held in validate(s, splits, workers=workers, catalog=catalog):
        found.append(held)
        told(f"without {held.fold.split} {held.fold.name}")
    baseline = crude.hold(s, [h.fold for h in found], catalog)
    held_back = list(dict.fromkeys(h.fold.split for h in found))
    return Board(
        scores(found, baseline, s, None if everything else TARGET_MODELS),
        {split: ranks(found, baseline, s, split) for split in held_back},
        {split: worst_cells(found, s, split) for split in held_back},
        noise(s.table),
    )


def _enough(points: pl.DataFrame, catalog: Catalog) -> CalibrationSample:
    s = sample(points, catalog)
    if len(s) < FEWEST_POINTS:
        raise NoData(
            f"{len(s)} of {len(points)} points can be learned from, at least {FEWEST_POINTS} are needed: closed loops "
            "on one node with a TPOT, of models, accelerators and engines that the catalog knows"
        )
    return s


def _row(score: object) -> dict[str, Any]:
    names = ("split", "outcome", "cases", "mape", "median", "bias", "coverage", "crude")
    row = {n: getattr(score, n) for n in names}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items() if v == v}


def _made_from(s: CalibrationSample, points: pl.DataFrame, base: Calibration | None) -> dict[str, Any]:
    sources = s.table.group_by("source", "origin").len().sort("source", "origin")
    return {
        "tool_version": __version__,
        "calibration_version": CALIBRATION_VERSION,
        "points": len(s),
        "points_given": len(points),
        "points_sha256": _digest(s),
        "sources": [f"{r['source']} ({r['origin']}): {r['len']}" for r in sources.iter_rows(named=True)],
        **({"on_top_of": dict(base.made_from)} if base else {}),
    }


def _digest(s: CalibrationSample) -> str:
    """A digest of what was learned from, so that two calibrations can be told to rest on the same points."""
    rows = sorted(f"{c!r} {np.round(o, 9).tolist()}" for c, o in zip(s.cases, s.observed, strict=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _cells(s: CalibrationSample, p: Problem, values: np.ndarray) -> list[dict[str, Any]]:
    """Mean absolute error of every cell that was learned from, in the sample itself."""
    left = p.observed - p.predict(values)
    table = s.table.with_columns(
        tpot=pl.Series(np.abs(np.expm1(-left[:, 0]))), throughput=pl.Series(np.abs(np.expm1(left[:, 1])))
    )
    cells = table.group_by("accelerator", "engine", "model", "precision").agg(
        pl.len().alias("points"), pl.col("tpot").mean().round(4), pl.col("throughput").mean().round(4)
    )
    return cells.sort("accelerator", "engine", "model", "precision").to_dicts()
