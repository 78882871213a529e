"""The offset between two clocks, from questions that take a known time to be answered (as NTP does; RFC 5905)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

ASKED = 20


@dataclass(frozen=True, slots=True)
class Offset:
    """The other clock minus ours, s; the true value lies within `bound_s` of it."""

    seconds: float
    bound_s: float


def offset(remote: Callable[[], float], asked: int = ASKED, clock: Callable[[], float] = time.time) -> Offset:
    """Ask the other clock some times and believe the quickest answer.

    The answer was read between our two readings, so it differs from their middle by half the round trip at most.
    """
    best: Offset | None = None
    for _ in range(asked):
        before = clock()
        there = remote()
        after = clock()
        found = Offset(there - (before + after) / 2, (after - before) / 2)
        if best is None or found.bound_s < best.bound_s:
            best = found
    if best is None:
        raise ValueError("asked must be 1 or more")
    return best


def between(first: Offset, last: Offset) -> Offset:
    """The offset during a time, from those before and after it: their middle, and how far it may lie off."""
    middle = (first.seconds + last.seconds) / 2
    return Offset(middle, max(first.bound_s, last.bound_s) + abs(last.seconds - first.seconds) / 2)
