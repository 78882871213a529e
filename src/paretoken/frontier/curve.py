"""A frontier as a curve: throughput at any latency inside its range, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.interpolate import PchipInterpolator

from paretoken.frontier.pareto import CURVE_KEY, pareto
from paretoken.points.selection import AXIS_COLUMN, Axis

THROUGHPUTS = ("tput_per_gpu", "input_tput_per_gpu", "output_tput_per_gpu")


@dataclass(frozen=True, slots=True)
class Curve:
    """The Pareto points of one accelerator, engine and origin, by rising latency.

    `points` has one row a Pareto point; `latency_s` is the axis (E2E, or TPOT), shape (n,), strictly
    rising; throughput between points is a monotone piecewise cubic (PCHIP) in it.
    """

    accelerator: str
    engine: str
    origin: str
    axis: Axis
    points: pl.DataFrame
    latency_s: np.ndarray = field(repr=False)
    _between: dict[str, PchipInterpolator | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def range_s(self) -> tuple[float, float]:
        return float(self.latency_s[0]), float(self.latency_s[-1])

    def covers(self, latency_s: float) -> bool:
        low, high = self.range_s
        return low <= latency_s <= high

    def at(self, latency_s: np.ndarray | float, throughput: str = "tput_per_gpu") -> np.ndarray:
        """Throughput, tok/s/GPU, at each latency; NaN outside the range or where a point lacks the figure."""
        x = np.atleast_1d(np.asarray(latency_s, dtype=float))
        low, high = self.range_s
        inside = (x >= low) & (x <= high)
        out = np.full(x.shape, np.nan)
        if throughput not in self._between:
            self._between[throughput] = self._spline(throughput)
        spline = self._between[throughput]
        if spline is not None:
            out[inside] = spline(x[inside])
        return out

    def within(self, latency_s: np.ndarray | float, throughput: str = "tput_per_gpu") -> np.ndarray:
        """Throughput, tok/s/GPU, for who tolerates each latency: beyond the last point, that point's own."""
        return self.at(np.minimum(latency_s, self.range_s[1]), throughput)

    def _spline(self, throughput: str) -> PchipInterpolator | None:
        """The interpolator of one throughput, None where a point lacks it; one point is its own value."""
        y = self.points[throughput].to_numpy()
        if np.isnan(y).any():
            return None
        x = self.latency_s
        return (
            PchipInterpolator(x, y) if len(x) > 1 else PchipInterpolator([x[0], np.nextafter(x[0], np.inf)], [y[0]] * 2)
        )

    def around(self, latency_s: float) -> pl.DataFrame:
        """The one or two Pareto points that the value at `latency_s` rests on."""
        i = int(np.searchsorted(self.latency_s, latency_s))
        if i < len(self.latency_s) and self.latency_s[i] == latency_s:
            return self.points[i : i + 1]
        return self.points[max(i - 1, 0) : i + 1]

    def other_axis_at(self, latency_s: float) -> tuple[float | None, float | None]:
        """(E2E s, TPOT s) at the latency, the asked one exact, the other linear between the points around it."""
        around = self.around(latency_s)
        values = []
        for column in AXIS_COLUMN.values():
            if column == AXIS_COLUMN[self.axis]:
                values.append(latency_s)
            elif around[column].null_count():
                values.append(None)
            else:
                values.append(float(np.interp(latency_s, around[AXIS_COLUMN[self.axis]], around[column])))
        return values[0], values[1]


def curves(points: pl.DataFrame, axis: Axis) -> list[Curve]:
    """One curve for each accelerator, engine and origin of the selected points, sorted by name."""
    column = AXIS_COLUMN[axis]
    front = pareto(points, column, "tput_per_gpu")
    return [
        Curve(*key, axis, group, group[column].to_numpy())
        for key, group in front.group_by(CURVE_KEY, maintain_order=True)
    ]


def reach(curves: Iterable[Curve]) -> dict[str, float]:
    """The latency, s, up to which each accelerator has data with any of its curves.

    Up to there an engine whose own data end earlier counts as at its last point: who tolerates more can run it.
    """
    ends: dict[str, float] = {}
    for c in curves:
        ends[c.accelerator] = max(ends.get(c.accelerator, 0.0), c.range_s[1])
    return ends
