"""Intervals of a user's own cells: their spread is that of loads left out in turn, not that of cells published."""

from __future__ import annotations

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.bands import BandModel, Bands, Side, components, groups_of
from paretoken.predict.calibration.fit import Problem, fit
from paretoken.predict.calibration.novelty import Seen, SeenCase, cell_of, ways
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample, case_columns
from paretoken.predict.load import kv_slots

FEWEST_LOADS, MOST_LEFT_OUT = 3, 5
"""Loads that the runs must have for their spread to count, and parts that they are left out in."""
PRIOR_POINTS, NORMAL = 4.0, 1.645
"""What the expected spread counts, in points; the 90 % half-width of a normal distribution over its deviation."""


def own_bands(
    bands: Bands, learned: CalibrationSample, p: Problem, seen: frozenset[SeenCase], catalog: Catalog
) -> Bands:
    """The bands of a base with the spread of a user's own cells: that of loads left out in turn."""
    loads, place = np.unique(p.load.users, return_inverse=True)
    parts = place.ravel() % MOST_LEFT_OUT
    if len(loads) < FEWEST_LOADS:
        return bands
    residual = np.full_like(p.observed, np.nan)
    for part in np.unique(parts):
        out = parts == part
        rest = p.take(out, np.ones(int(out.sum())))
        values = fit(p.take(~out, learned.take(~out).weight))
        residual[out] = rest.observed - rest.predict(values)
    return _with_own(bands, _multipliers(bands, learned, residual, Seen.of(seen), catalog))


def _multipliers(
    bands: Bands, cases: CalibrationSample, residual: Floats, seen: Seen, catalog: Catalog
) -> dict[str, list[float]]:
    """ln of what a user's own cells are off, over what the bands expect of known cells: per cell one for each outcome.

    h² of a cell is the mean over its residuals and PRIOR_POINTS residuals as wide as expected.
    """
    columns, load = case_columns(cases.cases, catalog)
    crowding = load.users / kv_slots(columns, load)
    news = [ways(c, seen) for c in cases.cases]
    weights = np.array(
        [components(c, n, seen, x) for c, n, x in zip(cases.cases, news, crowding.tolist(), strict=True)]
    )
    groups = [[g for g in groups_of(c, n) if not g.startswith("cell")] for c, n in zip(cases.cases, news, strict=True)]
    expected = BandModel(bands).half_widths(weights, groups).mean(axis=2)
    z = NORMAL * residual / expected
    out: dict[str, list[float]] = {}
    cells = [f"cell {' '.join(cell_of(c.deployment))}" for c in cases.cases]
    for cell in dict.fromkeys(cells):
        of_cell = z[[name == cell for name in cells]]
        count, total = np.isfinite(of_cell).sum(axis=0), np.nansum(of_cell**2, axis=0)
        out[cell] = [float(x) for x in np.log((PRIOR_POINTS + total) / (PRIOR_POINTS + count)) / 2]
    return out


def _with_own(bands: Bands, own: dict[str, list[float]]) -> Bands:
    """The bands with the multipliers of a user's own cells in place of those that they had."""
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
