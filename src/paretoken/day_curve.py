"""The load of a service over a day: 24 weights, one for each hour from midnight."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.errors import BadConfig

HOURS = 24
FLAT = (1.0,) * HOURS
MOST = 1e12
DayCurve = tuple[float, ...]


def checked_day_curve(weights: Sequence[float], name: str = "the load curve") -> DayCurve:
    """The weights; BadConfig, with the curve's name, unless they are 24 numbers of 0 or more with one above 0."""
    if len(weights) != HOURS:
        raise BadConfig(f"{name} has {len(weights)} weights; give 24, one for each hour from 0:00")
    if bad := [w for w in weights if not 0 <= w <= MOST]:
        raise BadConfig(f"{name} has a weight of {bad[0]:g}; each must be 0 or more, at most {MOST:g}")
    if max(weights) < 1 / MOST:
        raise BadConfig(f"{name} is 0 in every hour; give the load of at least one hour")
    return tuple(weights)


def in_utc(curve: DayCurve, offset: int) -> DayCurve:
    """The curve of a clock that is `offset` hours ahead of UTC, by hours of UTC."""
    return tuple(curve[(hour + offset) % HOURS] for hour in range(HOURS))


def load_factor(curve: DayCurve) -> float:
    """The mean load over that of the busiest hour: the highest utilisation of GPUs sized for that hour."""
    return sum(curve) / HOURS / max(curve)


def filled(curve: DayCurve, movable: float) -> DayCurve:
    """The curve with a share of every hour's load moved to where it is lowest, so that the busiest hour is least."""
    fixed = [w * (1 - movable) for w in curve]
    rising = sorted(fixed)
    spare, level = movable * sum(curve), rising[0]
    for lowest in range(1, HOURS + 1):
        level = (spare + sum(rising[:lowest])) / lowest
        if lowest == HOURS or level <= rising[lowest]:
            break
    return tuple(max(w, level) for w in fixed)


def share_within(curve: DayCurve, windows: Sequence[tuple[float, float]]) -> float:
    """The share of a day's load within windows (start, end) in hours; one that ends before it starts spans midnight."""
    return sum(w * _overlap(hour, windows) for hour, w in enumerate(curve)) / sum(curve)


def _overlap(hour: int, windows: Sequence[tuple[float, float]]) -> float:
    spans = [
        span
        for start, end in windows
        for span in ([(start, end)] if start < end else [(start, float(HOURS)), (0.0, end)])
    ]
    return sum(max(min(end, hour + 1) - max(start, hour), 0.0) for start, end in spans)
