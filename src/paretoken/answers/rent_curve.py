"""The rent at which one accelerator's tokens cost what another's do, latency by latency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paretoken.frontier.compare import from_axis
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import CurveGrid
from paretoken.points.selection import Axis
from paretoken.prices.cost import break_even_rent


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakevenPoint:
    """The break-even rent at one latency, and which curve each throughput is from; `value` in the axis' own unit."""

    axis: Axis
    value: float
    accelerator: str
    against: str
    rent_against_usd_per_gpu_h: float
    break_even_usd_per_gpu_h: float
    engine: str
    origin: str
    engine_against: str
    origin_against: str


def rent_curve(
    grid: CurveGrid, axis: Axis, accelerator: str, against: str, rent_usd: float, samples: int | None = None
) -> tuple[BreakevenPoint, ...]:
    """The break-even rent wherever both have data, by rising latency; `grid` must hold unweighted throughput.

    With `samples` it is thinned to about that many latencies, evenly over the grid.
    """
    if accelerator not in grid.names or against not in grid.names:
        return ()
    b, a = grid.names.index(accelerator), grid.names.index(against)
    both = np.flatnonzero(~np.isnan(grid.value[a]) & ~np.isnan(grid.value[b]))
    chosen = both[:: max(1, len(both) // samples)] if samples else both

    def read(row: int) -> Iterator[tuple[float, Curve]]:
        """The throughput of an accelerator at each of the latencies, and the curve it is from."""
        return zip(grid.value[row, chosen].tolist(), (grid.curves[i] for i in grid.curve_at[row, chosen]), strict=True)

    return tuple(
        BreakevenPoint(
            axis=axis,
            value=from_axis(latency_s, axis),
            accelerator=accelerator,
            against=against,
            rent_against_usd_per_gpu_h=rent_usd,
            break_even_usd_per_gpu_h=break_even_rent(rent_usd, other_tput, tput),
            engine=curve.engine,
            origin=curve.origin,
            engine_against=other.engine,
            origin_against=other.origin,
        )
        for latency_s, (tput, curve), (other_tput, other) in zip(
            grid.latency_s[chosen].tolist(), read(b), read(a), strict=True
        )
    )
