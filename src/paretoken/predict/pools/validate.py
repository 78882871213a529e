"""Cross-validation of pooled cases: predictions for those that the fit leaves out, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.calibration.scoreboard import Score, score_of
from paretoken.predict.calibration.validate import HeldOut
from paretoken.predict.calibration.worst import FEWEST_CASES, MOST
from paretoken.predict.pools.fit import PoolProblem, fit_pools
from paretoken.predict.pools.intervals import fit_pool_bands, group_of, log_ends
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.splits import SPLITS, pool_folds

SCORED = {"tpot": 0, "throughput": 1, "mean ttft": 2}
TARGETS = {"cell": 0.15, "configuration": 0.15, "accelerator": 0.25}
"""Mean absolute error of TPOT and of throughput that the project aims at."""
OnProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCell:
    """Median errors of a disaggregated cell that was held back, as shares; None for what was not observed."""

    accelerator: str
    engine: str
    model: str
    precision: str
    cases: int
    tpot: float | None
    throughput: float | None


def hold_out(
    p: PoolProblem,
    cases: Sequence[PooledCase],
    catalog: Catalog,
    splits: Sequence[str] = tuple(SPLITS),
    on_progress: OnProgress = lambda text: None,
) -> list[HeldOut]:
    """Refit without each part and predict it: ln(observed/predicted)."""
    folds = []
    for fold in pool_folds(cases, splits, catalog):
        values = fit_pools(p, ~fold.mask)
        folds.append(HeldOut(fold, (p.observed - p.predict(values))[fold.mask]))
        on_progress(f"disaggregated, without {fold.split} {fold.name}")
    return folds


def pool_scores(folds: Sequence[HeldOut], cases: Sequence[PooledCase], catalog: Catalog) -> list[Score]:
    """Errors by split, for each vendor, with and without speculative decoding, and coverage by bands of other parts."""
    group = np.array([group_of(c, catalog) for c in cases])
    out: list[Score] = []
    for split in dict.fromkeys(h.fold.split for h in folds):
        of_split = [h for h in folds if h.fold.split == split]
        inside, width = zip(*(_covered(h, of_split, cases, catalog) for h in of_split), strict=True)
        where = np.concatenate([np.flatnonzero(h.fold.mask) for h in of_split])
        left, ok = np.concatenate([h.residual for h in of_split]), np.concatenate(inside)
        wide = np.concatenate(width)
        for name in sorted(set(group)):
            rows = group[where] == name
            for outcome, i in SCORED.items():
                out += _scored(
                    f"{split}, {name}", outcome, left[rows, i], ok[rows, i], wide[rows, i], TARGETS.get(split)
                )
    return out


def worst_pool_cells(folds: Sequence[HeldOut], cases: Sequence[PooledCase]) -> list[PoolCell]:
    """The cells with the largest median error of TPOT or throughput where whole cells were held back, worst first."""
    residuals: dict[tuple[str, str, str, str], list[Floats]] = {}
    for h in (h for h in folds if h.fold.split == "cell"):
        for i, left in zip(np.flatnonzero(h.fold.mask).tolist(), h.residual, strict=True):
            pools = cases[i].pools
            name = (pools.accelerator, pools.engine, pools.model, pools.decode.precision)
            residuals.setdefault(name, []).append(left)
    cells = [_cell(*name, np.array(left)) for name, left in residuals.items() if len(left) >= FEWEST_CASES]
    return sorted(cells, key=lambda c: -max(c.tpot or 0.0, c.throughput or 0.0))[:MOST]


def _cell(accelerator: str, engine: str, model: str, precision: str, left: Floats) -> PoolCell:
    return PoolCell(
        accelerator=accelerator,
        engine=engine,
        model=model,
        precision=precision,
        cases=len(left),
        tpot=_median(np.expm1(-left[:, SCORED["tpot"]])),
        throughput=_median(np.expm1(left[:, SCORED["throughput"]])),
    )


def _median(errors: Floats) -> float | None:
    """The median of absolute errors; None where nothing was observed."""
    observed = np.abs(errors[np.isfinite(errors)])
    return float(np.median(observed)) if observed.size else None


def _scored(
    split: str, outcome: str, left: Floats, inside: Mask, width: Floats, target: float | None
) -> Iterator[Score]:
    at = np.isfinite(left)
    if at.any():
        yield score_of(split, outcome, left[at], inside[at], width[at], target if outcome != "mean ttft" else None)


def _covered(
    h: HeldOut, folds: Sequence[HeldOut], cases: Sequence[PooledCase], catalog: Catalog
) -> tuple[Mask, Floats]:
    """Which outcomes lie inside intervals fitted without their part, and upper over lower end, (n, outcomes)."""
    others = [o for o in folds if o is not h] or [h]
    bands = fit_pool_bands(others, cases, catalog)
    ends = np.array([log_ends(cases[i], (h.fold.split,), bands, catalog) for i in np.flatnonzero(h.fold.mask).tolist()])
    inside: Mask = (ends[:, :, 0] <= h.residual) & (h.residual <= ends[:, :, 1])
    return inside, np.exp(ends[:, :, 1] - ends[:, :, 0])
