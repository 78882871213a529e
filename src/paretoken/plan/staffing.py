"""How many replicas are rented when: a constant number, a schedule, or as many as the load needs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, expm1
from typing import Protocol

from paretoken.errors import BadConfig
from paretoken.traffic.traffic import HOUR_S


@dataclass(frozen=True, slots=True)
class FleetLoad:
    """A fleet at a time: its requests without a whole answer."""

    now_s: float
    outstanding: int


class Staffing(Protocol):
    """Decides how many replicas are rented, at the `times` of a period: rising, the first at 0 s."""

    def times(self, span_s: float) -> Iterator[float]: ...

    def replicas(self, load: FleetLoad) -> int:
        """Replicas that serve or start from now on, 1 or more."""
        ...


@dataclass(frozen=True, slots=True)
class StaffSchedule:
    """`counts[i]` replicas from `starts_s[i]` on. The first start is 0 s."""

    starts_s: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.starts_s) != len(self.counts) or not self.counts or self.starts_s[0] != 0:
            raise BadConfig("a schedule of replicas needs a count for every start, the first at 0 s")
        if min(self.counts) < 1:
            raise BadConfig(f"a schedule has {min(self.counts)} replicas at a time; a fleet needs 1 or more")

    def times(self, span_s: float) -> Iterator[float]:
        return (t for t in self.starts_s if t < span_s)

    def replicas(self, load: FleetLoad) -> int:
        return self.at(load.now_s)

    def at(self, time_s: float) -> int:
        """Replicas at a time."""
        return self.counts[max(bisect_right(self.starts_s, time_s) - 1, 0)]

    def early(self, lead_s: float) -> StaffSchedule:
        """The schedule with every increase `lead_s` earlier, so that replicas serve when they are needed."""
        steps = list(zip(self.starts_s, self.counts, strict=True))
        edges = sorted({0.0, *self.starts_s, *(max(t - lead_s, 0.0) for t in self.starts_s)})
        counts = [max(self.at(t), *(n for s, n in steps if t <= s <= t + lead_s), 1) for t in edges]
        return StaffSchedule(tuple(edges), tuple(counts))

    def replica_s(self, span_s: float) -> float:
        """Seconds that all replicas of a period are rented."""
        ends = (*self.starts_s[1:], span_s)
        spans = (max(min(b, span_s) - a, 0.0) for a, b in zip(self.starts_s, ends, strict=True))
        return sum(n * s for n, s in zip(self.counts, spans, strict=True))


def fixed(replicas: int) -> StaffSchedule:
    """The same number of replicas all the time."""
    return StaffSchedule((0.0,), (replicas,))


def hourly(replicas: Sequence[int]) -> StaffSchedule:
    """The replicas of each hour from its start on."""
    return StaffSchedule(tuple(i * HOUR_S for i in range(len(replicas))), tuple(replicas))


@dataclass(slots=True, kw_only=True)
class ReactiveScaling:
    """Keeps the requests without a whole answer near `per_replica` for each replica, as autoscalers do.

    It decides every `interval_s` on their number, averaged with a time constant of `average_s`. It adds replicas at
    once, and removes them only after `cooldown_s` in which fewer were enough. `spares` come on top;
    `start` is the number of replicas at the start. One object serves one replay.
    """

    per_replica: float
    start: int
    spares: int = 0
    interval_s: float = 15.0
    average_s: float = 60.0
    cooldown_s: float = 300.0
    average: float | None = None
    wanted: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not (self.per_replica > 0 and self.interval_s > 0 and self.average_s > 0 and self.cooldown_s >= 0):
            raise BadConfig("scaling needs requests per replica, times above 0 s, and a cooldown of 0 s or more")

    def times(self, span_s: float) -> Iterator[float]:
        return (i * self.interval_s for i in range(ceil(span_s / self.interval_s)))

    def replicas(self, load: FleetLoad) -> int:
        if self.average is None:
            self.average = self.start * self.per_replica
        self.average += (load.outstanding - self.average) * -expm1(-self.interval_s / self.average_s)
        enough = max(ceil(self.average / self.per_replica - 1e-9), 1)
        self.wanted = [(t, n) for t, n in self.wanted if t >= load.now_s - self.cooldown_s]
        self.wanted.append((load.now_s, enough))
        return max(n for _, n in self.wanted) + self.spares
