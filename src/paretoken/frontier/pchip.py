"""Monotone piecewise cubics (PCHIP) over few points, bit for bit those of `scipy.interpolate.PchipInterpolator`.

A frontier has about ten points and a study makes thousands of frontiers, most of them read at single latencies:
plain floats are a hundred times as fast there as arrays of ten, and scipy's interpolation takes half a second to load.

    slope at an inner point   harmonic mean of the two secants, weighted 2h₁ + h₀ and h₁ + 2h₀; 0 at an extremum
    slope at an end           one-sided three-point estimate, held to the shape of the data (Fritsch and Butland 1984)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, nextafter

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pchip:
    """`knots` are rising; `cubics` holds the coefficients (a, b, c, d) of each piece, the highest power first."""

    knots: Sequence[float]
    cubics: Sequence[tuple[float, float, float, float]]

    @classmethod
    def through(cls, x: Sequence[float], y: Sequence[float]) -> Pchip:
        """The spline through points with rising x; through one point, a piece of the smallest width."""
        if len(x) == 1:
            x, y = [x[0], nextafter(x[0], inf)], [y[0], y[0]]
        h = [right - left for left, right in pairwise(x)]
        secant = [(right - left) / width for (left, right), width in zip(pairwise(y), h, strict=True)]
        slope = _slopes(h, secant)
        return cls(x, [_cubic(h[i], secant[i], slope[i], slope[i + 1], y[i]) for i in range(len(h))])

    def at(self, x: float) -> float:
        """The value at one x between the first knot and the last."""
        i = min(max(bisect_right(self.knots, x) - 1, 0), len(self.cubics) - 1)
        a, b, c, d = self.cubics[i]
        s = x - self.knots[i]
        square = s * s
        return d + c * s + b * square + a * (square * s)

    @cached_property
    def _arrays(self) -> tuple[Array, Array]:
        return np.array(self.knots), np.array(self.cubics).T

    def values(self, x: Array) -> Array:
        """The values at many x between the first knot and the last."""
        knots, cubics = self._arrays
        i = knots[1:-1].searchsorted(x, side="right")
        a, b, c, d = cubics[:, i]
        s = x - knots[i]
        square = s * s
        return np.asarray(d + c * s + b * square + a * (square * s))


def _cubic(h: float, secant: float, left: float, right: float, y: float) -> tuple[float, float, float, float]:
    """The piece with the slopes `left` and `right` at its ends."""
    t = (left + right - 2 * secant) / h
    return t / h, (secant - left) / h - t, left, y


def _slopes(h: Sequence[float], secant: Sequence[float]) -> list[float]:
    """The slope at every point."""
    if len(h) == 1:
        return [secant[0], secant[0]]
    inner = [_inner(h[i], h[i + 1], secant[i], secant[i + 1]) for i in range(len(h) - 1)]
    return [_end(h[0], h[1], secant[0], secant[1]), *inner, _end(h[-1], h[-2], secant[-1], secant[-2])]


def _inner(h0: float, h1: float, m0: float, m1: float) -> float:
    if m0 == 0 or m1 == 0 or (m0 > 0) != (m1 > 0):
        return 0.0
    w1, w2 = 2 * h1 + h0, h1 + 2 * h0
    return 1.0 / ((w1 / m0 + w2 / m1) / (w1 + w2))


def _end(h0: float, h1: float, m0: float, m1: float) -> float:
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    if _sign(slope) != _sign(m0):
        return 0.0
    return 3.0 * m0 if _sign(m0) != _sign(m1) and abs(slope) > 3.0 * abs(m0) else slope


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
