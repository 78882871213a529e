"""Ways to hold pooled points back: by configuration or by the names in it, never by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.splits import SEED, Fold, draw
from paretoken.predict.pools.layout import PooledCase

QUARTERS = 4


def configuration(c: PooledCase) -> str:
    """The layout with what it serves, all of a case but its load and its date."""
    d = c.pools.decode
    drafting = "drafting" if d.drafting else ""
    return f"{cell(c)} {c.pools.layout} {drafting} {c.lengths.isl}/{c.lengths.osl}"


def cell(c: PooledCase) -> str:
    """Accelerator, engine, model and precision."""
    return f"{c.pools.accelerator} {c.pools.engine} {c.pools.model} {c.pools.decode.precision}"


def vendor(c: PooledCase, catalog: Catalog) -> str:
    """The vendor of the decode pool's accelerators."""
    return catalog.accelerators[c.pools.decode.accelerator].vendor


def _quarters(name: Callable[[PooledCase], str]) -> Callable[[PooledCase, Catalog], str]:
    return lambda c, _: f"quarter {draw(f'{SEED}|{name(c)}') % QUARTERS + 1}"


SPLITS: dict[str, Callable[[PooledCase, Catalog], str]] = {
    "load": _quarters(lambda c: f"{configuration(c)} {c.concurrency:g}"),
    "configuration": _quarters(configuration),
    "cell": _quarters(cell),
    "accelerator": lambda c, _: c.pools.accelerator,
    "engine": lambda c, _: c.pools.engine,
    "model": lambda c, _: c.pools.model,
    "vendor": vendor,
}
"""By way of being new, the narrowest first: the part that a case is held back with."""


def pool_folds(cases: Sequence[PooledCase], names: Sequence[str], catalog: Catalog) -> Iterator[Fold]:
    """The parts of each split that leave something to learn from."""
    for name in names:
        part = np.array([SPLITS[name](c, catalog) for c in cases])
        for value in np.unique(part):
            mask = part == value
            if not mask.all():
                yield Fold(name, str(value), mask)
