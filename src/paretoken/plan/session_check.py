"""A sized fleet under sessions whose turns wait for answers: the busiest hour, replayed with the prefix cache itself.

The fleet was sized with every call at the time of the trace, and with hits by the size of the cache. Here a turn is due
after the answer before it, replicas keep what memory lets them keep, and a router sends a call to where most of its
prompt is cached. Sessions that begin up to an hour earlier fill the replicas. Of a large fleet a share of the replicas
serves that share of the sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.plan.hours import FEWEST_REPLICAS
from paretoken.plan.latencies import Latencies, meets, needs_itl, ratios
from paretoken.plan.replica import Replica, servable
from paretoken.plan.sized import MOST_REFUSED, SizedFleet
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.replicas import simulate_replicas
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.load import load_of
from paretoken.predict.traces.server import cache_policy
from paretoken.predict.traces.times import session_times
from paretoken.sessions.graph import Session
from paretoken.slo import Slo
from paretoken.traffic.sessions import sessions_between
from paretoken.traffic.traffic import HOUR_S, Mask, Traffic

MOST_CALLS = 60_000
"""Calls that a replay has at most, those of the hour before included."""
MOST_RAISED = 2
"""How far the number of replicas is raised in search of one that meets the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCheck:
    """A replay of the busiest hour. `ratios` are value over bound by limit, of the `calls` that were due in it.

    `hour` counts from the start of the traffic; `replicas` are those that serve in it, of which `share` was simulated.
    `hit_share` is of the prompt tokens of these calls. `session_s` has the median and the p99 of the sessions that
    begin in the hour. `needed` is the fewest replicas that meet all limits: None where not even twice as many do.
    """

    hour: int
    replicas: int
    share: float
    sessions: int
    calls: int
    hit_share: float
    session_s: tuple[float, float]
    ratios: Mapping[Slo, float]
    needed: int | None

    @property
    def met(self) -> bool:
        """Whether the fleet as sized meets every limit."""
        return self.needed is not None and self.needed <= self.replicas


@dataclass(frozen=True, slots=True, eq=False)
class _Hour:
    """The sessions of an hour and of the time before it, and when the hour begins on their clock."""

    sessions: tuple[Session, ...]
    start_s: float


def check_sessions(
    fleet: SizedFleet,
    by_hour: Sequence[int],
    traffic: Traffic,
    slos: Sequence[Slo],
    catalog: Catalog,
    *,
    prefix_cache: bool = True,
) -> SessionCheck | None:
    """The replay of a fleet with so many replicas by hour; None without sessions that wait, and of two pools."""
    worker = fleet.replica.server
    if traffic.graphs is None or not isinstance(worker, Worker):
        return None
    traffic = servable(fleet.replica, traffic, MOST_REFUSED)
    hour = _busiest(traffic)
    of_hour = _sessions_of(traffic, hour)
    calls = sum(len(session.calls) for session in of_hour.sessions)
    if not calls:
        return None
    policy = cache_policy(fleet.candidate.deployment.engine, catalog)
    cache = CacheOptions(policy=policy) if prefix_cache else None
    replicas = by_hour[hour]

    def replayed(n: int) -> _Replay:
        return _replayed(fleet.replica, worker, of_hour, n, calls, cache, slos)

    first = replayed(replicas)
    needed = _needed(lambda n: replayed(n).meets(slos), replicas, met=first.meets(slos))
    return first.check(hour, replicas, slos, needed)


def _busiest(traffic: Traffic) -> int:
    tokens = traffic.input_tokens + traffic.output_tokens
    return int(np.argmax(np.bincount(traffic.hour_of(), tokens, traffic.hours)))


def _sessions_of(traffic: Traffic, hour: int) -> _Hour:
    begin_s = max((hour - 1) * HOUR_S, 0.0)
    return _Hour(sessions_between(traffic, begin_s, (hour + 1) * HOUR_S), hour * HOUR_S - begin_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Replay:
    """The run of a share of the sessions on that share of the replicas; `start_s` is where the hour begins."""

    run: SimulationResult
    load: SessionLoad
    latencies: Latencies
    start_s: float
    share: float

    def meets(self, slos: Sequence[Slo]) -> bool:
        return meets(self.latencies.figures(), slos)

    def check(self, hour: int, replicas: int, slos: Sequence[Slo], needed: int | None) -> SessionCheck:
        """The figures of the calls due in the hour, and of the sessions that begin in it."""
        inside, times = _inside(self.run, self.start_s), session_times(self.run, self.load)
        begun = times.session_s[times.begin_s >= self.start_s]
        seconds = np.quantile(begun if len(begun) else times.session_s, (0.5, 0.99)).tolist()
        prompts = self.run.input_tokens[inside].sum()
        return SessionCheck(
            hour=hour,
            replicas=replicas,
            share=self.share,
            sessions=len(begun),
            calls=int(inside.sum()),
            hit_share=float(self.run.cached_tokens[inside].sum() / max(int(prompts), 1)),
            session_s=(seconds[0], seconds[1]),
            ratios=ratios(self.latencies.figures(), slos),
            needed=needed,
        )


def _replayed(
    replica: Replica,
    worker: Worker,
    hour: _Hour,
    replicas: int,
    calls: int,
    cache: CacheOptions | None,
    slos: Sequence[Slo],
) -> _Replay:
    kept = min(max(ceil(replicas * MOST_CALLS / calls), FEWEST_REPLICAS), replicas)
    share = kept / replicas
    load = load_of(_share(hour.sessions, share), users=None, idle_cap_s=None)
    run = simulate_replicas([worker] * kept, load, replica.serving, cache, routing="prefix")
    inside = _inside(run, hour.start_s)
    return _Replay(run, load, Latencies.of(run, inside, itl=needs_itl(slos)), hour.start_s, share)


def _inside(run: SimulationResult, start_s: float) -> Mask:
    """The requests due in the hour."""
    inside: Mask = (run.due_s >= start_s) & (run.due_s < start_s + HOUR_S)
    return inside


def _share(sessions: Sequence[Session], share: float) -> list[Session]:
    """Sessions spread evenly over all of them, in their order."""
    n = max(round(len(sessions) * share), 1)
    return [sessions[i] for i in np.linspace(0, len(sessions) - 1, n).round().astype(int).tolist()]


def _needed(meets_with: Callable[[int], bool], replicas: int, *, met: bool) -> int | None:
    """The fewest replicas from `replicas` on that meet the limits, as far as they are looked for; by bisection."""
    low, high = replicas, replicas * MOST_RAISED
    if met:
        return replicas
    if not meets_with(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets_with(middle) else (middle, high)
    return high
