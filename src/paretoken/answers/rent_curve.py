"""The rent at which one accelerator's tokens cost what another's do, latency by latency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from paretoken.frontier.acceptance import unlike, unstated
from paretoken.frontier.compare import from_axis
from paretoken.frontier.consistency import HardwareOrder, inconsistencies
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import CurveGrid, leaders
from paretoken.points.selection import Axis
from paretoken.points.software import days_apart
from paretoken.prices.cost import break_even_rent

NEVER = "no rent is low enough: the switching cost outweighs what its tokens save"
"""What a break-even rent of 0 or below means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakevenPoint:
    """The break-even rent at one latency limit, `value` in the axis' own unit, and which curves it is from.

    `software` and `software_against` are the states of the two curves, `days_apart` the time between their dates.
    `withheld` says why the rent is not to be relied on: the two are out of the order of their hardware there, or
    draft tokens at unlike acceptance. `acceptance` says whose acceptance length is not stated, of those that draft.
    `data_end` names the accelerator whose data end below the limit: it counts as at its last point.
    `note` explains a rent of 0 or below.
    """

    axis: Axis
    value: float
    accelerator: str
    against: str
    rent_against_usd_per_gpu_h: float
    break_even_usd_per_gpu_h: float
    engine: str
    software: str
    origin: str
    engine_against: str
    software_against: str
    origin_against: str
    days_apart: int | None
    withheld: str | None
    acceptance: str | None
    data_end: str | None
    note: str | None = None

    @property
    def settled(self) -> bool:
        """Whether both were run up to the limit, in the order of their hardware."""
        return self.withheld is None and self.data_end is None


def rent_curve(
    grid: CurveGrid, axis: Axis, accelerator: str, against: str, rent_usd: float, samples: int | None = None
) -> tuple[BreakevenPoint, ...]:
    """The break-even rent at every limit that both meet, by rising latency; `grid` must hold unweighted throughput.

    With `samples` it is thinned to about that many latencies, evenly over the grid.
    """
    if accelerator not in grid.names or against not in grid.names:
        return ()
    b, a = grid.names.index(accelerator), grid.names.index(against)
    both = np.flatnonzero(~np.isnan(grid.value[a]) & ~np.isnan(grid.value[b]))
    chosen = both[:: max(1, len(both) // samples)] if samples else both
    end_s, ended = min(
        (max(c.range_s[1] for c in grid.curves if c.accelerator == name), name) for name in (accelerator, against)
    )
    pair = grid.order & {(accelerator, against), (against, accelerator)}

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
            software=curve.software,
            origin=curve.origin,
            engine_against=other.engine,
            software_against=other.software,
            origin_against=other.origin,
            days_apart=days_apart(curve.date, other.date),
            withheld=_withheld(grid.curves, latency_s, pair) or unlike(curve, other, latency_s),
            acceptance=unstated(curve, other, latency_s),
            data_end=ended if latency_s > end_s else None,
        )
        for latency_s, (tput, curve), (other_tput, other) in zip(
            grid.latency_s[chosen].tolist(), read(b), read(a), strict=True
        )
    )


def _withheld(curves: Iterable[Curve], latency_s: float, pair: HardwareOrder) -> str | None:
    """Why the two accelerators of the pair cannot be compared at a limit; None if they can."""
    if not pair:
        return None
    curves = tuple(curves)
    here = inconsistencies(curves, leaders(curves, latency_s), latency_s, pair)
    return str(here[0]) if here else None
