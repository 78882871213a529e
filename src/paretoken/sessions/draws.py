"""Draws from a distribution that its quantiles state."""

from __future__ import annotations

from functools import lru_cache
from math import erf, sqrt

import numpy as np
import numpy.typing as npt

from paretoken.catalog.session_workload import StatedQuantiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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


def drawn_together(
    one: StatedQuantiles, other: StatedQuantiles, correlation: float, rng: np.random.Generator
) -> tuple[int, int]:
    """A draw of each, to the nearest whole number; normal scores of the two have this correlation."""
    first, second = rng.standard_normal(2)
    second = correlation * first + sqrt(1 - correlation**2) * second
    shares = (np.array([(1 + erf(score / sqrt(2))) / 2]) for score in (first, second))
    of_one, of_other = (float(quantile(s, share)[0]) for s, share in zip((one, other), shares, strict=True))
    return round(of_one), round(of_other)


def shared_out(total: int, weights: Ints, rng: np.random.Generator) -> Ints:
    """`total` things over the places of `weights` (n,), 1 or more each, the rest at random in proportion to weight."""
    extra = weights - 1 + 1e-3
    shares: Ints = 1 + rng.multinomial(total - len(weights), extra / extra.sum())
    return shares
