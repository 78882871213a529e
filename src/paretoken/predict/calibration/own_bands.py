"""Intervals of a user's own cells: their width follows from own loads left out in turn, not from published cells."""

from __future__ import annotations

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.bands import NORMAL_90, BandModel, Bands, Side, components, groups_of
from paretoken.predict.calibration.fit import Problem, fit
from paretoken.predict.calibration.novelty import Seen, SeenCase, cell_of, novelty_weights
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample, case_columns
from paretoken.predict.load import kv_slots

FEWEST_LOADS, MOST_LEFT_OUT = 3, 5
"""Fewest distinct loads for a width of one's own, and most parts that they are split into to be left out in turn."""
PRIOR_POINTS = 4.0
"""Points that the expected width counts as, an assumption."""


def bands_with_own(
    bands: Bands, learned: CalibrationSample, p: Problem, seen: frozenset[SeenCase], catalog: Catalog
) -> Bands:
    """The bands of a base with the multipliers of a user's own cells, from loads left out in turn."""
    loads, load_of = np.unique(p.load.users, return_inverse=True)
    if len(loads) < FEWEST_LOADS:
        return bands
    parts = load_of.ravel() % MOST_LEFT_OUT
    residual = np.full_like(p.observed, np.nan)
    for part in np.unique(parts):
        left_out = parts == part
        rest = p.take(left_out, np.ones(int(left_out.sum())))
        values = fit(p.take(~left_out, learned.take(~left_out).weight))
        residual[left_out] = rest.observed - rest.predict(values)
    return _with_own(bands, _multipliers(bands, learned, residual, Seen.of(seen), catalog))


def _multipliers(
    bands: Bands, cases: CalibrationSample, residual: Floats, seen: Seen, catalog: Catalog
) -> dict[str, list[float]]:
    """For each cell and outcome: ln of the width of the residuals over the width that the bands expect of known cells.

    The squared width of a cell is the mean over its residuals and PRIOR_POINTS residuals as wide as expected.
    """
    columns, load = case_columns(cases.cases, catalog)
    crowding = load.users / kv_slots(columns, load)
    novelties = [novelty_weights(c, seen) for c in cases.cases]
    weights = np.array(
        [components(c, new, seen, x) for c, new, x in zip(cases.cases, novelties, crowding.tolist(), strict=True)]
    )
    groups = [
        [g for g in groups_of(c, new) if not g.startswith("cell")]
        for c, new in zip(cases.cases, novelties, strict=True)
    ]
    expected = BandModel(bands).half_widths(weights, groups).mean(axis=2)
    z = NORMAL_90 * residual / expected
    multipliers: dict[str, list[float]] = {}
    cells = [f"cell {' '.join(cell_of(c.deployment))}" for c in cases.cases]
    for cell in dict.fromkeys(cells):
        of_cell = z[[name == cell for name in cells]]
        count, total = np.isfinite(of_cell).sum(axis=0), np.nansum(of_cell**2, axis=0)
        multipliers[cell] = [float(x) for x in np.log((PRIOR_POINTS + total) / (PRIOR_POINTS + count)) / 2]
    return multipliers


def _with_own(bands: Bands, own: dict[str, list[float]]) -> Bands:
    """The bands with multipliers of a user's own cells, in place of any they had for these cells."""
    return {
        outcome: {
            side: Side(
                widths=table["widths"],
                groups=table["groups"] | {cell: round(u[i], 3) for cell, u in own.items()},
                quantiles=table["quantiles"],
            )
            for side, table in bands[outcome].items()
        }
        for i, outcome in enumerate(OUTCOMES)
    }
