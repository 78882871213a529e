"""Sessions replayed on replicas: at their times on a fleet, or a steady number of them at once on one replica.

Each turn is due after the answer before it, replicas keep what memory lets them keep, and a router sends a call to
where most of its prompt is cached. Of a large fleet a share of the replicas serves that share of the sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from paretoken.plan.hours import FEWEST_REPLICAS
from paretoken.plan.latencies import Latencies, meets, needs_itl
from paretoken.plan.load_curve import LoadCurve, LoadPoint
from paretoken.plan.replica import Replica
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.replicas import simulate_replicas
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.load import load_of
from paretoken.predict.traces.times import session_times
from paretoken.sessions.graph import Session
from paretoken.slo import Slo
from paretoken.traffic.sessions import sessions_between
from paretoken.traffic.traffic import HOUR_S, Mask, Traffic

MOST_CALLS = 60_000
"""Most calls of a replay, including those before the hour."""
LONGEST_LEAD_S = 6 * HOUR_S
"""Sessions that fill the replicas begin at most this long before the hour."""
POINT_CALLS, POINT_SESSIONS = 3_000, 2
"""Calls of a point of the curve, and sessions for each concurrent one, as far as the traffic has them."""
WHOLE_PERIOD = (0.0, np.inf)
BEYOND = 2.0
"""The curve ends at a load that exceeds a limit by this factor."""

Span = tuple[float, float]
"""The first second of a span of time, and the one after its last."""


@dataclass(frozen=True, slots=True, eq=False)
class HourReplay:
    """The run of a share of the sessions on that share of the replicas, `kept` in number. The calls due from `start_s`
    to before `stop_s` count."""

    run: SimulationResult
    load: SessionLoad
    latencies: Latencies
    start_s: float
    stop_s: float
    kept: int
    share: float

    @property
    def inside(self) -> Mask:
        """The calls that count."""
        return due_between(self.run, self.start_s, self.stop_s)

    def meets(self, slos: Sequence[Slo]) -> bool:
        return meets(self.latencies.figures(), slos)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SessionReplays:
    """The sessions of a traffic on replicas of one kind, and how long before an hour sessions begin that fill them.

    `sessions` caches those that begin in a span of time, `loads` the load of a number of them at their recorded times:
    replays of the same sessions differ only in pace, or in the number of them at once.
    """

    replica: Replica
    worker: Worker
    traffic: Traffic
    slos: tuple[Slo, ...]
    cache: CacheOptions | None
    lead_s: float = HOUR_S
    sessions: dict[Span, tuple[Session, ...]] = field(init=False, default_factory=dict)
    loads: dict[tuple[Span, int], SessionLoad] = field(init=False, default_factory=dict)

    def between(self, start_s: float, stop_s: float, replicas: int, pace: float = 1.0) -> HourReplay:
        """A part of the period on a number of replicas; sessions begin `pace` times as fast."""
        begin_s = max(start_s - min(self.lead_s, LONGEST_LEAD_S), 0.0)
        span = (begin_s, stop_s)
        sessions = self._sessions(span)
        calls = sum(len(session.calls) for session in sessions)
        kept = min(max(ceil(replicas * MOST_CALLS / max(calls, 1)), FEWEST_REPLICAS), replicas)
        load = _faster(self._load(span, round(len(sessions) * kept / replicas)), pace)
        run = simulate_replicas([self.worker] * kept, load, self.replica.serving, self.cache, routing="prefix")
        first_s, last_s = (start_s - begin_s) / pace, (stop_s - begin_s) / pace
        latencies = Latencies.of(run, due_between(run, first_s, last_s), itl=needs_itl(self.slos))
        return HourReplay(run, load, latencies, first_s, last_s, kept, kept / replicas)

    def curve(self) -> LoadCurve:
        """The load curve of one replica: steady numbers of concurrent sessions, by the calls per second they make."""
        points = dict[int, LoadPoint]()
        users, most = 1, len(self._sessions(WHOLE_PERIOD))
        while most:
            points[users] = self._point(users)
            if users == most or self._worst(points[users]) > BEYOND:
                break
            users = min(2 * users, most)
        self._refine(points)
        return LoadCurve(tuple(_rising([points[users] for users in sorted(points)])))

    def _refine(self, points: dict[int, LoadPoint]) -> None:
        """Points between the last number of sessions within the limits and the first beyond, by bisection."""
        high = next((users for users in sorted(points) if self._worst(points[users]) > 1), 0)
        low = max((users for users in points if users < high), default=0)
        while low and high - low > max(low // 16, 1):
            middle = (low + high) // 2
            points[middle] = self._point(middle)
            low, high = (middle, high) if self._worst(points[middle]) <= 1 else (low, middle)

    def _worst(self, point: LoadPoint) -> float:
        return max((point.figures.get((s.metric, s.statistic), 0.0) / s.bound_s for s in self.slos), default=0.0)

    def _sessions(self, span: Span) -> tuple[Session, ...]:
        if span not in self.sessions:
            self.sessions[span] = sessions_between(self.traffic, *span)
        return self.sessions[span]

    def _load(self, span: Span, count: int) -> SessionLoad:
        """The load of about `count` of the sessions of a span."""
        if (span, count) not in self.loads:
            some = spread(self._sessions(span), count)
            self.loads[span, count] = load_of(some, users=None, idle_cap_s=None)
        return self.loads[span, count]

    def _point(self, users: int) -> LoadPoint:
        """A replica under `users` sessions at once. By Little's law, calls per second are those of that many sessions
        over the mean time of one, and the batch is these times the mean time from first to last token of a call; the
        end of the run, when users have none left, does not change that."""
        sessions = self._sessions(WHOLE_PERIOD)
        calls = sum(len(session.calls) for session in sessions)
        count = min(max(POINT_SESSIONS * users, ceil(len(sessions) * POINT_CALLS / calls)), len(sessions))
        load = replace(self._load(WHOLE_PERIOD, count), users=users, begin_s=None)
        run = simulate(self.worker.step_time, self.worker.limits, load, self.replica.serving, self.cache)
        mean_s = max(float(session_times(run, load).session_s.mean()), 1e-9)
        rate_s = users / mean_s * len(run.due_s) / count
        return LoadPoint(
            rate_s=rate_s,
            figures=Latencies.of(run, itl=needs_itl(self.slos)).figures(),
            batch=rate_s * float((run.last_s - run.first_s).mean()),
            stable=True,
            requests=len(run.due_s),
        )


def due_between(run: SimulationResult, start_s: float, stop_s: float) -> Mask:
    """The calls due from `start_s` to before `stop_s`."""
    inside: Mask = (run.due_s >= start_s) & (run.due_s < stop_s)
    return inside


def spread(sessions: Sequence[Session], n: int) -> list[Session]:
    """About n sessions spread evenly over all of them, in their order; at least 1, at most all."""
    n = min(max(n, 1), len(sessions))
    return [sessions[i] for i in np.linspace(0, len(sessions) - 1, n).round().astype(int).tolist()]


def _faster(load: SessionLoad, pace: float) -> SessionLoad:
    """The load with sessions that begin `pace` times as fast."""
    return load if pace == 1 or load.begin_s is None else replace(load, begin_s=load.begin_s / pace)


def _rising(points: Sequence[LoadPoint]) -> list[LoadPoint]:
    """The points, none at a rate below the one before: more sessions may get less done where the cache thrashes."""
    rising: list[LoadPoint] = []
    for point in points:
        least = rising[-1].rate_s * (1 + 1e-6) if rising else 0.0
        rising.append(replace(point, rate_s=max(point.rate_s, least)))
    return rising
