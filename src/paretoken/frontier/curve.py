"""A frontier as a curve: throughput at any latency inside its range, and nowhere else."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from typing import Any, cast

import numpy as np
import polars as pl
from typing_extensions import TypedDict

from paretoken.frontier.pareto import CURVE_KEY, pareto
from paretoken.frontier.pchip import Array, Pchip
from paretoken.points.selection import AXIS_COLUMN, Axis

THROUGHPUTS = ("tput_per_gpu", "input_tput_per_gpu", "output_tput_per_gpu")


class CurvePoint(TypedDict):
    """One Pareto point: its configuration, load, figures and source; None where the source does not say."""

    tp: int | None
    prefill_tp: int | None
    n_gpus: int | None
    concurrency: float | None
    e2e_s: float | None
    interactivity_tok_s: float | None
    tput_per_gpu: float
    e2e_basis: str | None
    source: str
    source_ref: str | None
    date: str | None
    speculative: str | None
    disaggregated: bool | None
    notes: str | None


_POINT = tuple(CurvePoint.__annotations__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """The Pareto points of one accelerator, engine and origin, by rising latency.

    `points` has one row a Pareto point; `latency_s` is the axis (E2E, or TPOT), shape (n,), strictly
    rising; throughput between points is a monotone piecewise cubic (PCHIP) in it. What is read often is
    taken from `points` once and kept.
    """

    accelerator: str
    engine: str
    origin: str
    axis: Axis
    points: pl.DataFrame
    latency_s: Array = field(repr=False)

    @cached_property
    def range_s(self) -> tuple[float, float]:
        return float(self.latency_s[0]), float(self.latency_s[-1])

    def covers(self, latency_s: float) -> bool:
        """Whether the latency lies between the first point and the last."""
        low, high = self.range_s
        return low <= latency_s <= high

    @cached_property
    def rows(self) -> list[CurvePoint]:
        """The points as plain values."""
        return [cast(CurvePoint, {name: record[name] for name in _POINT}) for record in self.records]

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The points with every stated column, as plain values."""
        return self.points.to_dicts()

    def at(self, latency_s: Array | float, throughput: str = "tput_per_gpu") -> Array:
        """Throughput, tok/s/GPU, at each latency; NaN outside the range or where a point lacks the figure."""
        x = np.atleast_1d(np.asarray(latency_s, dtype=np.float64))
        low, high = self.range_s
        inside = (x >= low) & (x <= high)
        out = np.full(x.shape, np.nan)
        spline = self._splines[throughput]
        if spline is not None:
            out[inside] = spline.values(x[inside])
        return out

    def value_at(self, latency_s: float, throughput: str = "tput_per_gpu") -> float:
        """`at` for one latency."""
        low, high = self.range_s
        spline = self._splines[throughput]
        return spline.at(latency_s) if spline is not None and low <= latency_s <= high else nan

    def within(self, latency_s: Array | float, throughput: str = "tput_per_gpu") -> Array:
        """Throughput, tok/s/GPU, for who tolerates each latency: beyond the last point, that point's own."""
        return self.at(np.minimum(latency_s, self.range_s[1]), throughput)

    def value_within(self, latency_s: float, throughput: str = "tput_per_gpu") -> float:
        """`within` for one latency."""
        return self.value_at(min(latency_s, self.range_s[1]), throughput)

    def around(self, latency_s: float) -> slice:
        """Where the one or two Pareto points stand that the value at `latency_s` rests on."""
        i = bisect_left(self._latencies, latency_s)
        if i < len(self._latencies) and self._latencies[i] == latency_s:
            return slice(i, i + 1)
        return slice(max(i - 1, 0), i + 1)

    def other_axis_at(self, latency_s: float) -> tuple[float | None, float | None]:
        """(E2E s, TPOT s) at the latency, the asked one exact, the other linear between the points around it."""
        around = self.around(latency_s)
        e2e_s, tpot_s = (
            latency_s if column == AXIS_COLUMN[self.axis] else self._between(latency_s, values[around], around)
            for column, values in self._axes.items()
        )
        return e2e_s, tpot_s

    def _between(self, latency_s: float, values: list[float | None], around: slice) -> float | None:
        stated = [v for v in values if v is not None]
        return float(np.interp(latency_s, self._latencies[around], stated)) if len(stated) == len(values) else None

    @cached_property
    def _latencies(self) -> list[float]:
        return cast(list[float], self.latency_s.tolist())

    @cached_property
    def _axes(self) -> dict[str, list[float | None]]:
        return {column: self.points[column].to_list() for column in AXIS_COLUMN.values()}

    @cached_property
    def _splines(self) -> dict[str, Pchip | None]:
        """The spline of each throughput, None where a point lacks it."""
        figures = {name: self.points[name].to_list() for name in THROUGHPUTS if name in self.points.columns}
        return {name: None if None in y else Pchip.through(self._latencies, y) for name, y in figures.items()}


def curves(points: pl.DataFrame, axis: Axis) -> list[Curve]:
    """One curve for each accelerator, engine and origin of the selected points, sorted by name."""
    column = AXIS_COLUMN[axis]
    front = pareto(points, column, "tput_per_gpu")
    return [
        Curve(
            accelerator=accelerator,
            engine=engine,
            origin=origin,
            axis=axis,
            points=group,
            latency_s=group[column].to_numpy(),
        )
        for (accelerator, engine, origin), group in front.group_by(CURVE_KEY, maintain_order=True)
    ]


def reach(curves: Iterable[Curve]) -> dict[str, float]:
    """The latency, s, up to which each accelerator has data with any of its curves.

    Up to there an engine whose own data end earlier counts as at its last point: who tolerates more can run it.
    """
    ends: dict[str, float] = {}
    for c in curves:
        ends[c.accelerator] = max(ends.get(c.accelerator, 0.0), c.range_s[1])
    return ends
