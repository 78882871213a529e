"""Software states newer than those of the curves that are ranked."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.answers.points import Data
from paretoken.frontier.curve import CurvePoint
from paretoken.points.selection import Axis, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerRelease:
    """A software state newer than that of the curve, with too few loads or no stated throughput for its own curve."""

    accelerator: str
    engine: str
    origin: str
    software: str
    date: str | None
    instead_of: str
    points: tuple[CurvePoint, ...]


def newer_releases(data: Data, chosen: Selection, axis: Axis) -> tuple[NewerRelease, ...]:
    """The newer states of each engine that have points on the axis, by accelerator and engine."""
    current = {(c.accelerator, c.engine, c.origin): c.software for c in data.curves(chosen, axis)}
    return tuple(
        NewerRelease(
            accelerator=c.accelerator,
            engine=c.engine,
            origin=c.origin,
            software=c.software,
            date=c.date,
            instead_of=current[c.accelerator, c.engine, c.origin],
            points=tuple(c.rows),
        )
        for c in data.newer_curves(chosen, axis)
        if current.get((c.accelerator, c.engine, c.origin), c.software) != c.software
    )
