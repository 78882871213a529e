"""The 90 % intervals of pooled predictions: the errors of cross-validation for cases that are as new.

A case is new in the widest way that applies: a load of a known layout, a layout, a cell, an accelerator, an engine, a
model, a vendor. The ends of an interval are quantiles of ln(observed/predicted) where such cases were held back, of one
vendor, with or without speculative decoding, or over all of them where these are too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.arrays import Floats, Mask
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.splits import SPLITS, cell, configuration, vendor

if TYPE_CHECKING:  # it loads scipy.sparse, which only a fit needs
    from paretoken.predict.calibration.validate import HeldOut

ENDS = (0.05, 0.95)
FEWEST = 60
"""Cases of a group that has quantiles of its own."""
ALL = ""
OUTCOME_COUNT = 3
UNKNOWN = (-0.7, 0.7)
"""ln of both ends where a calibration was not validated: a factor of two either way."""
KINDS = tuple(SPLITS)
"""Ways of being new, by the split that holds such cases back, the narrowest first."""
PoolBands = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
"""By way and group, ln of both ends for each outcome, shape (outcomes, 2)."""


def group_of(c: PooledCase, catalog: Catalog) -> str:
    """The group of cases whose errors are alike: a vendor's, with or without speculative decoding."""
    return vendor(c, catalog) + (" drafting" if c.pools.decode.drafting else "")


def fit_pool_bands(folds: Sequence[HeldOut], cases: Sequence[PooledCase], catalog: Catalog) -> PoolBands:
    """The intervals of what was held back."""
    group = np.array([group_of(c, catalog) for c in cases])
    return {kind: _of_kind([h for h in folds if h.fold.split == kind], group) for kind in KINDS}


def _of_kind(folds: Sequence[HeldOut], group: np.ndarray) -> dict[str, list[list[float]]]:
    if not folds:
        return {}
    left = np.concatenate([h.residual for h in folds])
    of = np.concatenate([group[h.fold.mask] for h in folds])
    masks: dict[str, Mask] = {ALL: np.ones(len(of), dtype=bool), **{g: of == g for g in sorted(set(of))}}
    return {g: _ends(left[m]) for g, m in masks.items() if g == ALL or m.sum() >= FEWEST}


def _ends(left: Floats) -> list[list[float]]:
    """Both ends for each outcome; those of TPOT where nothing was observed."""
    ends: list[list[float]] = []
    for column in left.T:
        observed = column[np.isfinite(column)]
        ends.append([round(float(x), 4) for x in np.quantile(observed, ENDS)] if observed.size else ends[0])
    return ends


def learned_names(cases: Iterable[PooledCase], catalog: Catalog) -> dict[str, frozenset[str]]:
    """The names in the cases that a calibration is fitted to, by the way of being new."""
    names: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for c in cases:
        for kind, name in _names(c, catalog).items():
            names[kind].add(name)
    return {kind: frozenset(values) for kind, values in names.items()}


def _names(c: PooledCase, catalog: Catalog) -> dict[str, str]:
    pools = c.pools
    return {
        "configuration": configuration(c),
        "cell": cell(c),
        "accelerator": pools.accelerator,
        "engine": pools.engine,
        "model": pools.model,
        "vendor": vendor(c, catalog),
    }


def pool_novelty(c: PooledCase, learned: Mapping[str, frozenset[str]], catalog: Catalog) -> tuple[str, ...]:
    """The ways in which a case is new, the narrowest first; ("load",) if in none."""
    names = _names(c, catalog)
    return tuple(kind for kind in KINDS[1:] if names[kind] not in learned.get(kind, frozenset())) or ("load",)


def log_ends(c: PooledCase, new: Sequence[str], bands: PoolBands, catalog: Catalog) -> Floats:
    """ln of both ends for each outcome, shape (outcomes, 2): the widest of the ways in which the case is new."""
    group = group_of(c, catalog)
    of_kinds = [bands[kind] for kind in new if bands.get(kind)]
    if not of_kinds:
        return np.tile(UNKNOWN, (OUTCOME_COUNT, 1))
    ends = np.array([of.get(group, of[ALL]) for of in of_kinds])
    return np.stack([ends[:, :, 0].min(axis=0), ends[:, :, 1].max(axis=0)], axis=1)
