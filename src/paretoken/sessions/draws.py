"""Draws from a distribution that its quantiles state."""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from paretoken.catalog.session_workload import StatedQuantiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NORMAL = NormalDist()
PLASTIC = 1.324717957244746


def quantile(spread: StatedQuantiles, shares: Floats) -> Floats:
    """The values below which these shares of the draws are, shape of `shares`."""
    levels, values = _curve(tuple(spread.quantiles.items()))
    values_at: Floats = np.expm1(np.interp(shares, levels, values))
    return values_at


@lru_cache(maxsize=1024)
def _curve(quantiles: tuple[tuple[float, float], ...]) -> tuple[Floats, Floats]:
    levels, values = np.array(quantiles).T
    return levels, np.log1p(values)


def drawn(spread: StatedQuantiles, rng: np.random.Generator, count: int) -> Floats:
    """`count` independent draws, shape (count,)."""
    return quantile(spread, rng.random(count))


def drawn_whole(spread: StatedQuantiles, rng: np.random.Generator, count: int) -> Ints:
    """The same to the nearest whole number."""
    return np.rint(drawn(spread, rng, count)).astype(np.int64)


def balanced(number: int, seed: int) -> Floats:
    """Draw `number` of two shares, shape (2,), each uniform: any run of draws covers [0, 1)² evenly.

    The additive recurrence of Roberts (2018) from a random start: steps of 1/g and 1/g², where g³ = g + 1.
    """
    start = np.random.default_rng([seed, 0, 1]).random(2)
    shares: Floats = (start + (number + 1) * np.array([PLASTIC**-1, PLASTIC**-2])) % 1
    return shares


def correlated(shares: Floats, correlation: float) -> Floats:
    """The two shares, the second one moved so that their normal scores have this correlation."""
    first, second = (NORMAL.inv_cdf(float(np.clip(share, 1e-12, 1 - 1e-12))) for share in shares)
    return np.array([shares[0], NORMAL.cdf(correlation * first + sqrt(1 - correlation**2) * second)])


def shared_out(total: int, weights: Ints, rng: np.random.Generator) -> Ints:
    """`total` things over the places of `weights` (n,), 1 or more each, the rest at random in proportion to weight."""
    extra = weights - 1 + 1e-3
    shares: Ints = 1 + rng.multinomial(total - len(weights), extra / extra.sum())
    return shares
