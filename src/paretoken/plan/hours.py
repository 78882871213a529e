"""The fewest replicas that meet the limits in every hour of a traffic.

The load curve says about how many: the hour's requests, by the work of their lengths, over the capacity of one
replica. Then the hour itself is replayed with that many replicas, and with one more or fewer until the smallest number
that meets every limit is certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, exp, log
from typing import Protocol

import numpy as np

from paretoken.errors import BadConfig
from paretoken.plan.fleet_size import FleetCheck, FleetScale, FleetSize, HourGroup
from paretoken.plan.latencies import Latencies, ratios
from paretoken.plan.load_curve import LoadCurve
from paretoken.plan.replay import replay
from paretoken.plan.replica import Replica, work_s
from paretoken.plan.sample import TrafficSample
from paretoken.plan.staffing import fixed
from paretoken.plan.unmet import why_unmet
from paretoken.predict.simulation.router import LEAST
from paretoken.slo import MEDIAN, Slo
from paretoken.traffic.traffic import HOUR_S, Floats, Ints, Traffic

LEAD_S = 300.0
"""Seconds of traffic before an hour that fill the replicas, and are not counted."""
WINDOWS, FEWEST_IN_WINDOW = 12, 100
"""Parts of an hour, the busiest of which sets its peak; fewer where parts would have too few requests."""
ENOUGH = {"mean": 50, MEDIAN: 50, "p90": 100, "p95": 200, "p99": 1_000, "p999": 10_000}
"""Requests that an hour needs for a statistic to be judged on it alone."""
FEWEST_REPLICAS = 4
"""Replicas that a sampled replay keeps, so that the router has a choice."""
LEAST_GROWTH, MOST_GROWTH, GROWTH_REPLAYS, FLATTEST = 1.05, 4.0, 2, 0.2
"""How far requests of a small fleet are sped up to see when it misses a limit, in how many replays, and the least rise
of ln of its worst ratio over ln of the speed that is assumed."""
STARTS = 4
"""Parts of an hour that are compared begin at every such part of their length."""
WHOLE = 10**12


class PlayedHours(Protocol):
    """A replay of sessions on `kept` replicas, a `share` of the fleet."""

    @property
    def latencies(self) -> Latencies: ...
    @property
    def kept(self) -> int: ...
    @property
    def share(self) -> float: ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FleetSizer:
    """Finds the number of replicas. `budget` bounds the requests that one check replays.

    Of a larger hour, a check simulates a share of the replicas with the same share of the requests, drawn at random. If
    even `FEWEST_REPLICAS` get too many, it replays only the busiest part of the hour, or all of it with `whole_hours`.
    With `played`, checks replay sessions instead; it takes start and end in s, a number of replicas, and a pace.
    `work` is each request's over the mean of the sample; shape (n,).
    """

    replica: Replica
    traffic: Traffic
    slos: tuple[Slo, ...]
    curve: LoadCurve
    sample: TrafficSample
    router: str = LEAST
    cached_tokens: Ints | None = None
    played: Callable[[float, float, int, float], PlayedHours] | None = None
    budget: int = WHOLE
    whole_hours: bool = False
    marks: Floats = field(init=False)
    work: Floats = field(init=False)
    made: dict[tuple[HourGroup, int], FleetCheck] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", np.random.default_rng(1).uniform(0, 1, len(self.traffic)))
        object.__setattr__(self, "work", self._work())

    def size(self, *, every_hour: bool = False) -> FleetSize:
        """The fewest replicas of each hour; BadConfig where no number meets the limits.

        Without `every_hour` only the busiest group is replayed; the others are sized by its efficiency.
        """
        capacity_s = self.curve.capacity_s(self.slos)
        if not capacity_s:
            raise BadConfig(self._why_none())
        groups = sorted(self.groups(), key=lambda g: -g.peak_s)
        peak = self.smallest(groups[0], FleetScale(capacity_s).needed(groups[0].peak_s))
        scale = FleetScale(capacity_s, groups[0].peak_s / capacity_s / self._fraction(peak), peak.replicas)
        checks = [peak]
        if every_hour:
            checks += [self.smallest(g, scale.needed(g.peak_s)) for g in groups[1:]]
        counts = {c.group: c.replicas for c in checks}
        hours, loads, peaks = ([0] * self.traffic.hours, *([0.0] * self.traffic.hours for _ in range(2)))
        for g in groups:
            for hour in range(g.first, g.stop):
                hours[hour] = counts.get(g) or min(scale.needed(g.peak_s), peak.replicas)
                loads[hour], peaks[hour] = g.load_s, g.peak_s
        return FleetSize(
            hours=tuple(hours),
            loads_s=tuple(loads),
            peaks_s=tuple(peaks),
            checks=tuple(checks),
            capacity_s=capacity_s,
            limit_s=self.curve.limit_s,
            efficiency=scale.efficiency,
        )

    def groups(self) -> list[HourGroup]:
        """The hours, each with its neighbours until they have enough requests for every statistic of the limits."""
        fewest = max((ENOUGH[s.statistic] for s in self.slos), default=1)
        hours = self.traffic.hour_of()
        counts = np.bincount(hours, minlength=self.traffic.hours).tolist()
        bounds, inside = [0], 0
        for hour, count in enumerate(counts, 1):
            inside += count
            if inside >= fewest:
                bounds.append(hour)
                inside = 0
        if bounds[-1] < len(counts):  # what is left goes to the group before
            bounds = [*(bounds[:-1] or [0]), len(counts)] if len(bounds) > 1 else [0, len(counts)]
        rows = np.searchsorted(hours, bounds).tolist()
        return [self._group(a, b, slice(*ends)) for (a, b), ends in zip(pairwise(bounds), pairwise(rows), strict=True)]

    def check(self, group: HourGroup, replicas: int) -> FleetCheck:
        """Replay a group of hours, after some traffic before it, with a constant number of replicas."""
        if (group, replicas) not in self.made:
            self.made[group, replicas] = self._replayed(group, replicas)
        return self.made[group, replicas]

    def smallest(self, group: HourGroup, estimate: int) -> FleetCheck:
        """The check of the fewest replicas that meet every limit and serve as fast as requests come."""
        least = max(ceil(group.load_s / self.curve.limit_s - 0.05), 1)
        most = 2 * FleetScale(self.curve.capacity_s(self.slos)).needed(group.peak_s) + least + 2
        n = first_that(lambda n: self.check(group, n).worst <= 1, estimate, least, most)
        if n > most:
            failed = self.check(group, most)
            raise BadConfig(f"{most} replicas do not meet {failed.first_to_fail} in hour {group.first}; loosen it")
        return self.check(group, n)

    def _replayed(self, group: HourGroup, replicas: int, pace: float = 1.0) -> FleetCheck:
        """A replay of requests that come `pace` times as fast."""
        start_s, stop_s = group.first * HOUR_S, min(group.stop * HOUR_S, self.traffic.span_s)
        if self.played is not None:
            played = self.played(start_s, stop_s, replicas, pace)
            return self._checked(
                group, replicas, played.latencies, (stop_s - start_s) / pace * played.kept, played.share
            )
        kept = min(max(ceil(replicas * self.budget / max(group.requests, 1)), FEWEST_REPLICAS), replicas)
        part = min(self.budget * replicas / (kept * max(group.requests, 1)), 1.0)
        if self.whole_hours:
            part = 1.0
        if part < 1:
            start_s, stop_s = self._busiest(start_s, stop_s, part)
        t = self.traffic.time_s
        window = (t >= start_s - LEAD_S) & (t <= stop_s) & (self.marks < kept / replicas)
        chosen = self.traffic.take(window, with_prefixes=False)
        run = replay(
            self.replica,
            replace(chosen, time_s=chosen.time_s / pace, span_s=chosen.span_s / pace),
            fixed(kept),
            router=self.router,
            cached_tokens=None if self.cached_tokens is None else self.cached_tokens[window],
        )
        latencies = run.latencies(start_s / pace, slos=self.slos)
        return self._checked(group, replicas, latencies, (stop_s - start_s) / pace * kept, kept / replicas * part)

    def _checked(
        self, group: HourGroup, replicas: int, latencies: Latencies, replica_s: float, share: float
    ) -> FleetCheck:
        """The check from the latencies of a replay that takes `replica_s` seconds of replicas."""
        figures = latencies.figures()
        return FleetCheck(
            group=group,
            replicas=replicas,
            figures=figures,
            ratios=ratios(figures, self.slos),
            share=share,
            outstanding=float(latencies.e2e.sum() / max(replica_s, 1e-9)),
        )

    def _busiest(self, start_s: float, stop_s: float, part: float) -> tuple[float, float]:
        """The part of a period with the most work, of those that begin at every `1 / STARTS` of its length."""
        length_s = part * (stop_s - start_s)
        starts = np.linspace(start_s, stop_s - length_s, ceil(STARTS * (1 / part - 1)) + 1)
        before = np.append(0.0, np.cumsum(self.work))
        first, last = (np.searchsorted(self.traffic.time_s, at) for at in (starts, starts + length_s))
        i = int(np.argmax(before[last] - before[first]))
        return float(starts[i]), float(starts[i] + length_s)

    def _fraction(self, peak: FleetCheck) -> float:
        """Replicas, as a fraction, at which the limits of the busiest hour would just be met, and its load served."""
        return min(max(self._within(peak), peak.group.load_s / self.curve.limit_s), float(peak.replicas))

    def _within(self, peak: FleetCheck) -> float:
        """Replicas, as a fraction, at which the limits alone would just be met."""
        n = peak.replicas
        able = n * self.curve.capacity_s(self.slos) / peak.group.peak_s
        if not peak.worst or (n == 1 and able > MOST_GROWTH):
            return n / max(able, 1.0)
        if n < FEWEST_REPLICAS:  # one fewer is another load by far
            return n / self._growth(peak, able)
        fewer = self.check(peak.group, n - 1)
        if fewer.worst <= 1:  # fewer would not serve as fast as requests come
            return n - 1.0
        return n - log(1 / peak.worst) / log(fewer.worst / peak.worst)

    def _growth(self, peak: FleetCheck, start: float) -> float:
        """The factor by which requests may come faster until the replicas miss a limit; replays begin at `start`."""
        x0, y0, x = 0.0, log(peak.worst), log(min(max(start, LEAST_GROWTH), MOST_GROWTH))
        for _ in range(GROWTH_REPLAYS):
            y = log(self._replayed(peak.group, peak.replicas, exp(x)).worst)
            slope = max((y - y0) / (x - x0), FLATTEST)
            x0, y0, x = x, y, min(max(x - y / slope, 0.0), log(MOST_GROWTH))
            if abs(x - x0) < log(LEAST_GROWTH):
                break
        return exp(x)

    def _work(self) -> Floats:
        batch = self.curve.batch_at(self.curve.capacity_s(self.slos) or self.curve.limit_s)
        t, s = self.traffic, self.sample
        computed = t.input_tokens - (0 if self.cached_tokens is None else self.cached_tokens)
        of_sample = s.input_tokens - (0 if s.cached_tokens is None else s.cached_tokens)
        mean = float(work_s(self.replica, of_sample, s.output_tokens, batch).mean())
        return work_s(self.replica, computed, t.output_tokens, batch) / mean

    def _group(self, first: int, stop: int, rows: slice) -> HourGroup:
        """Hours `first` to before `stop`, whose requests are `rows`."""
        work = self.work[rows]
        seconds = min(stop * HOUR_S, self.traffic.span_s) - first * HOUR_S
        load_s = float(work.sum() / seconds)
        requests = len(work)
        n = min(max(requests // FEWEST_IN_WINDOW, 1), round(WINDOWS * seconds / HOUR_S) or 1)
        span = (first * HOUR_S, first * HOUR_S + seconds)
        windows = np.histogram(self.traffic.time_s[rows], n, span, weights=work)[0] * n / seconds
        return HourGroup(
            first=first,
            stop=stop,
            requests=requests,
            load_s=load_s,
            peak_s=float(windows.max()),
        )

    def _why_none(self) -> str:
        unmet = self.curve.unmet(self.slos)
        return why_unmet(unmet) if unmet else "no number of replicas meets the limits, even at a light load"


def first_that(enough: Callable[[int], bool], start: int, least: int, most: int) -> int:
    """The fewest of `least` … `most` that are enough, `most` + 1 if none are; looks near `start` first."""
    start, step = min(max(start, least), most), 1
    if enough(start):
        good, bad = start, least - 1
        while good > least:
            n = max(good - step, least)
            if not enough(n):
                bad = n
                break
            good, step = n, step * 2
    else:
        bad, good = start, most + 1
        while bad < most:
            n = min(bad + step, most)
            if enough(n):
                good = n
                break
            bad, step = n, step * 2
    while good - bad > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if enough(middle) else (good, middle)
    return good
