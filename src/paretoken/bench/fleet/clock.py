"""The offset between two clocks, from the round trips of readings (as NTP does; RFC 5905)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

READINGS = 20


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The other clock minus ours, s. The true value is within `bound_s` of it."""

    seconds: float
    bound_s: float


def offset(
    remote: Callable[[], float], readings: int = READINGS, clock: Callable[[], float] = time.time
) -> ClockOffset:
    """The offset from the quickest of some readings of the other clock.

    The other clock was read between two readings of ours, so it differs from their middle by at most half the round
    trip.
    """
    best: ClockOffset | None = None
    for _ in range(readings):
        before = clock()
        remote_s = remote()
        after = clock()
        reading = ClockOffset(remote_s - (before + after) / 2, (after - before) / 2)
        if best is None or reading.bound_s < best.bound_s:
            best = reading
    if best is None:
        raise ValueError("readings must be 1 or more")
    return best


def between(first: ClockOffset, last: ClockOffset) -> ClockOffset:
    """The offset during a level, from those before and after it: their mean, with a bound that covers both."""
    middle = (first.seconds + last.seconds) / 2
    return ClockOffset(middle, max(first.bound_s, last.bound_s) + abs(last.seconds - first.seconds) / 2)
