"""The size of a fleet by hours: what was replayed to find it, and what other numbers of replicas serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from paretoken.plan.latencies import Figures
from paretoken.plan.load_curve import STABLE_LOAD
from paretoken.plan.staffing import StaffSchedule, hourly
from paretoken.slo import Slo
from paretoken.traffic.traffic import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class HourGroup:
    """Hours `first` to before `stop` that are judged together. `load_s` is their rate in requests of the mean work of
    the load curve's sample, `peak_s` the same in their busiest part (see `hours.WINDOWS`)."""

    first: int
    stop: int
    requests: int
    load_s: float
    peak_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCheck:
    """A group of hours replayed with a number of replicas. `ratios` are value over bound by limit; `share` is the
    simulated share of the fleet, `outstanding` the mean number of requests of a replica without a whole answer."""

    group: HourGroup
    replicas: int
    figures: Figures
    ratios: Mapping[Slo, float]
    share: float
    outstanding: float

    @property
    def worst(self) -> float:
        """The largest ratio, at most 1 where all limits are met."""
        return max(self.ratios.values(), default=0.0)

    @property
    def first_to_fail(self) -> str:
        """The limit with the least room, as text."""
        return max(self.ratios, key=self.ratios.__getitem__).text if self.ratios else STABLE_LOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSize:
    """Replicas by hour, with the load of the hour and of its peak. `checks` are the replays of the chosen numbers, the
    busiest group first.

    One replica alone serves `capacity_s` within the limits, and `limit_s` as a stable load without them. In the busiest
    group each replica serves `efficiency` times `capacity_s`; a gain is smaller where there are fewer replicas.
    """

    hours: tuple[int, ...]
    loads_s: tuple[float, ...]
    peaks_s: tuple[float, ...]
    checks: tuple[FleetCheck, ...]
    capacity_s: float
    limit_s: float
    efficiency: float

    @property
    def replicas(self) -> int:
        """Replicas of a fixed fleet."""
        return max(self.hours)

    @property
    def worst(self) -> FleetCheck:
        """The check with the least room."""
        return max(self.checks, key=lambda c: c.worst)

    @property
    def schedule(self) -> StaffSchedule:
        """The replicas of each hour from its start on."""
        return hourly(self.hours)

    @property
    def scale(self) -> FleetScale:
        return FleetScale(self.capacity_s, self.efficiency, self.checks[0].replicas)

    @property
    def sampled(self) -> bool:
        """Whether a check replayed only a part of its hours."""
        return any(c.share < 1 for c in self.checks)

    def utilisation(self, replicas: Sequence[float] | Floats) -> list[float]:
        """Load of each hour over the most that its replicas serve, with or without the limits; at most 1."""
        return [min(load / (n * self.limit_s), 1.0) for load, n in zip(self.loads_s, list(replicas), strict=True)]

    def rate_each_s(self, hour: int, replicas: float | None = None) -> float:
        """The rate on the load curve at which a replica is as busy as those of the fleet in the peak of an hour."""
        n = replicas or self.hours[hour]
        return self.capacity_s * self.peaks_s[hour] / self.scale.able_s(n)


@dataclass(frozen=True, slots=True)
class FleetScale:
    """Requests per second that replicas serve within the limits: `capacity_s` one alone, `efficiency` times as much
    each of `replicas`."""

    capacity_s: float
    efficiency: float = 1.0
    replicas: int = 1

    def able_s(self, n: float) -> float:
        """What n replicas serve. A gain over one alone grows as 1 − 1/n up to `replicas`; a loss is alike for all."""
        gain = 1.0
        if self.efficiency > 1 and n < self.replicas:
            gain = (1 - 1 / max(n, 1.0)) / (1 - 1 / self.replicas)
        return n * self.capacity_s * (1 + (self.efficiency - 1) * gain)

    def needed(self, load_s: float) -> int:
        """The fewest replicas that serve a load."""
        n = max(ceil(load_s / (self.capacity_s * max(self.efficiency, 1.0)) - 1e-9), 1)
        while self.able_s(n) < load_s * (1 - 1e-9):
            n += 1
        return n
