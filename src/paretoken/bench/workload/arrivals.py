"""When requests are due: gaps between unit events, bent by a rate into seconds. Pure: no clock, no sleep.

A process is a law of gaps (mean 1) and a rate over time. Event k is at the sum of the first k gaps and is due
when the integral of the rate over time reaches it, so a ramp of Poisson arrivals is exact, not stepped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from paretoken.bench.plan import Open
from paretoken.bench.workload.gaps import Gaps, parse_gaps
from paretoken.errors import BadConfig

Floats = npt.NDArray[np.float64]

# Drawn in batches of one size, so that a longer schedule of the same seed begins with the shorter one.
_BATCH = 4096
_MOST = 100_000_000


class RateProfile(Protocol):
    """The rate over time, through its integral."""

    def when_s(self, events: Floats) -> Floats:
        """The time at which the integral of the rate reaches each value; inf where it never does."""
        ...

    def expected(self, seconds: float) -> float:
        """The integral of the rate from 0 to `seconds`."""
        ...


@dataclass(frozen=True, slots=True)
class SteadyRate:
    """The same rate throughout, requests per second."""

    rate: float

    def __post_init__(self) -> None:
        if not 0 < self.rate < float("inf"):
            raise BadConfig(f"rate {self.rate:g} must be above 0 requests per second")

    def when_s(self, events: Floats) -> Floats:
        return events / self.rate

    def expected(self, seconds: float) -> float:
        return self.rate * seconds


@dataclass(frozen=True, slots=True)
class Ramp:
    """The rate goes straight from `start` to `end` in `seconds`, then stays at `end`."""

    start: float
    end: float
    seconds: float

    def __post_init__(self) -> None:
        ends_fit = min(self.start, self.end) >= 0 and 0 < max(self.start, self.end) < float("inf")
        if not ends_fit or not 0 < self.seconds < float("inf"):
            raise BadConfig(
                f"ramp from {self.start:g} to {self.end:g}/s in {self.seconds:g} s: rates must be 0 or more "
                "and not both 0, the time above 0"
            )

    def when_s(self, events: Floats) -> Floats:
        slope = (self.end - self.start) / self.seconds
        total = self.expected(self.seconds)
        inside = np.minimum(events, total)
        root = np.sqrt(np.maximum(self.start**2 + 2 * slope * inside, 0.0))
        # 2s/(a+√(a²+2ks)) solves a·t + k·t²/2 = s without cancellation, k = 0 included.
        below = self.start + root
        times = np.divide(2 * inside, below, out=np.zeros_like(inside, dtype=float), where=below > 0)
        rest = events - total
        after = np.divide(rest, self.end, out=np.full_like(times, np.inf), where=self.end > 0)
        due_s: Floats = np.where(rest > 0, self.seconds + after, times)
        return due_s

    def expected(self, seconds: float) -> float:
        inside = min(seconds, self.seconds)
        slope = (self.end - self.start) / self.seconds
        return self.start * inside + slope * inside**2 / 2 + self.end * max(seconds - self.seconds, 0.0)


@dataclass(frozen=True, slots=True)
class Renewal:
    """Independent gaps of one law at a rate that is steady or on a ramp."""

    gaps: Gaps
    rate: RateProfile

    def due_s(self, rng: np.random.Generator, *, seconds: float | None = None, count: int | None = None) -> Floats:
        """Due times in s, rising, shape (n,): those below `seconds`, at most `count`; one bound is needed."""
        _check_bounds(seconds, count)
        events = self._events(rng, seconds, count)
        return _cut(self.rate.when_s(events), seconds, count)

    def _events(self, rng: np.random.Generator, seconds: float | None, count: int | None) -> Floats:
        """Unit events up to the bound that comes first, in whole batches."""
        batches: list[Floats] = []
        last = self.gaps.first
        enough = float("inf") if seconds is None else self.rate.expected(seconds)
        if min(enough, float("inf") if count is None else count) > _MOST:
            raise BadConfig(f"a schedule of more than {_MOST:,} requests; lower the rate or the duration")
        while last <= enough and (count is None or len(batches) * _BATCH < count):
            events = last + np.cumsum(self.gaps.draw(rng, _BATCH))
            batches.append(events)
            last = float(events[-1])
        return np.concatenate(batches) if batches else np.empty(0)


@dataclass(frozen=True, slots=True)
class Replay:
    """Recorded times, in s and rising; `speed` 2 replays them twice as fast. It ends with its last time."""

    times_s: tuple[float, ...] | Floats
    speed: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.speed < float("inf"):
            raise BadConfig(f"trace speed {self.speed:g} must be above 0; 2 replays twice as fast")
        times = np.asarray(self.times_s, dtype=float)
        if len(times) and (not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) < 0).any()):
            raise BadConfig("recorded times must be finite, 0 or more, and rising; sort the trace by time")

    @property
    def rate(self) -> float:
        """Mean rate of the replay, (n − 1) over its span; inf if all come at once."""
        times = np.asarray(self.times_s, dtype=float)
        span = float(times[-1] - times[0]) if len(times) else 0.0
        return (len(times) - 1) / span * self.speed if span > 0 else float("inf")

    def at_rate(self, rate: float) -> Replay:
        """The same pattern, stretched to a mean rate in requests per second."""
        if not np.isfinite(self.rate):
            raise BadConfig("a trace whose requests all come at once cannot be stretched to a rate")
        return Replay(self.times_s, self.speed * SteadyRate(rate).rate / self.rate)

    def due_s(self, rng: np.random.Generator, *, seconds: float | None = None, count: int | None = None) -> Floats:
        return _cut(np.asarray(self.times_s, dtype=float) / self.speed, seconds, count)


def parse_arrivals(text: str, rate: float | RateProfile) -> Renewal:
    """An arrival process such as `poisson` or `gamma:0.5` at a rate per second, or at one that changes."""
    return Renewal(parse_gaps(text), SteadyRate(float(rate)) if isinstance(rate, (int, float)) else rate)


def schedule(
    arrivals: Renewal | Replay, rng: np.random.Generator, *, seconds: float | None = None, count: int | None = None
) -> Open:
    """An open load; its `rate` is the intended mean: of the rate profile, or of the recording."""
    due_s = arrivals.due_s(rng, seconds=seconds, count=count)
    if isinstance(arrivals, Renewal):
        span = seconds if seconds is not None else float(due_s[-1:].sum())
        rate = arrivals.rate.expected(span) / span if span > 0 else 0.0
    else:
        rate = arrivals.rate
    return Open(due_s=due_s, rate=rate)


def _check_bounds(seconds: float | None, count: int | None) -> None:
    if seconds is None and count is None:
        raise BadConfig("an open loop needs an end: give a duration or a number of requests")
    if seconds is not None and not 0 <= seconds < float("inf"):
        raise BadConfig(f"duration {seconds:g} s must be 0 or more")
    if count is not None and count < 0:
        raise BadConfig(f"number of requests {count} must be 0 or more")


def _cut(times: Floats, seconds: float | None, count: int | None) -> Floats:
    times = times[np.isfinite(times)]
    if seconds is not None:
        times = times[times < seconds]
    return times[:count]
