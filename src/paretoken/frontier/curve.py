"""A frontier as a curve: the best throughput at or inside any latency limit that its fastest point meets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, nan
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
    ep: int | None
    n_gpus: int | None
    engine_version: str | None
    software: str
    concurrency: float | None
    central_ttft_s: float | None
    e2e_s: float | None
    interactivity_tok_s: float | None
    tput_per_gpu: float
    e2e_basis: str | None
    source: str
    source_ref: str | None
    date: str | None
    speculative: str | None
    speculation: str
    speculative_tokens: int | None
    acceptance_length: float | None
    acceptance_by_position: str | None
    disaggregated: bool | None
    notes: str | None
    receipt: str | None


_POINT = tuple(CurvePoint.__annotations__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """The Pareto points of one accelerator, engine, origin and software state, by rising latency.

    `points` has one row a Pareto point; `latency_s` is the axis (E2E, or TPOT), shape (n,), strictly
    rising; throughput between points is a monotone piecewise cubic (PCHIP) in it, and beyond the last point that
    point's own: a limit is met by whatever is faster. `end_s` is where a limit on another figure ends the curve, within
    its points or beyond. `dominated` has the (latency, throughput) of the other rows.
    What is read often is taken from `points` once and kept.
    """

    accelerator: str
    engine: str
    origin: str
    axis: Axis
    points: pl.DataFrame
    latency_s: Array = field(repr=False)
    dominated: tuple[tuple[float, float], ...] = field(default=(), repr=False)
    end_s: float = inf

    @cached_property
    def software(self) -> str:
        """The software state that all points are of."""
        return cast(str, self.points["software"][0])

    @cached_property
    def date(self) -> str | None:
        """The date of the newest point, or the period that the points are medians over; None if none is stated."""
        return max((d for d in self.points["date"].to_list() if d), default=None)

    @cached_property
    def range_s(self) -> tuple[float, float]:
        return float(self.latency_s[0]), min(float(self.latency_s[-1]), self.end_s)

    def until(self, column: str, bound: float) -> Curve | None:
        """The curve up to where the values of a column, linear between points, first exceed a bound.

        None if its first point does. The column must be stated by every point.
        """
        values = self.points[column].to_list()
        over = next((i for i, value in enumerate(values) if value > bound), None)
        if over is None:
            return self
        if over == 0:
            return None
        x, y = self._latencies[over - 1 : over + 1], values[over - 1 : over + 1]
        end_s = x[0] + (bound - y[0]) / (y[1] - y[0]) * (x[1] - x[0])
        return replace(self, end_s=min(self.end_s, end_s))

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

    def best_point(self, latency_s: float) -> int:
        """The place of the fastest-serving Pareto point at or inside the limit; the limit is not below the first."""
        return bisect_right(self._latencies, latency_s) - 1

    def as_run(self, latency_s: float) -> Curve:
        """The curve up to its last point within a limit, so that nothing is interpolated there."""
        if latency_s < self.range_s[0]:
            return self
        return replace(self, end_s=self._latencies[self.best_point(min(latency_s, self.range_s[1]))])

    def without(self, place: int) -> Curve | None:
        """The curve as it would be had one Pareto point not been run; None if it was the only row."""
        here = [(x, y) for i, (x, y) in enumerate(self._pairs) if i != place]
        front: list[tuple[float, float]] = []
        for x, y in sorted([*here, *self.dominated], key=lambda pair: (pair[0], -pair[1])):
            if not front or y > front[-1][1]:
                front.append((x, y))
        if not front:
            return None
        columns = {AXIS_COLUMN[self.axis]: [x for x, _ in front], "tput_per_gpu": [y for _, y in front]}
        return replace(self, points=pl.DataFrame(columns), latency_s=np.array(columns[AXIS_COLUMN[self.axis]]))

    @cached_property
    def _pairs(self) -> list[tuple[float, float]]:
        return list(zip(self._latencies, self.points["tput_per_gpu"].to_list(), strict=True))

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
    """One curve for each accelerator, engine, origin and software state of the points, sorted by name."""
    column = AXIS_COLUMN[axis]
    pairs: dict[tuple[object, ...], list[tuple[float, float]]] = {}
    for *key, latency_s, tput in points.select(*CURVE_KEY, column, "tput_per_gpu").drop_nulls().iter_rows():
        pairs.setdefault(tuple(key), []).append((latency_s, tput))
    front = pareto(points, column, "tput_per_gpu")
    return [
        Curve(
            accelerator=accelerator,
            engine=engine,
            origin=origin,
            axis=axis,
            points=group,
            latency_s=group[column].to_numpy(),
            dominated=_others(pairs[accelerator, engine, origin, software], group, column),
        )
        for (accelerator, engine, origin, software), group in front.group_by(CURVE_KEY, maintain_order=True)
    ]


def _others(pairs: list[tuple[float, float]], front: pl.DataFrame, column: str) -> tuple[tuple[float, float], ...]:
    """The rows of a curve that are not on its front."""
    drawn = set(front.select(column, "tput_per_gpu").iter_rows())
    return tuple(pair for pair in pairs if pair not in drawn)
