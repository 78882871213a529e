"""A sized fleet under sessions whose turns wait for answers: the busiest hour, replayed with the prefix cache itself.

The fleet was sized with every call at the time of the trace, and with hits by the size of the cache. Here a turn is due
after the answer before it, replicas keep what memory lets them keep, and a router sends a call to where most of its
prompt is cached. Sessions that begin up to an hour earlier fill the replicas. Of a large fleet a share of the replicas
serves that share of the sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.plan.latencies import ratios
from paretoken.plan.replica import servable
from paretoken.plan.session_replay import HourReplay, SessionReplays
from paretoken.plan.sized import MOST_REFUSED, SizedFleet
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.traces.server import cache_policy
from paretoken.predict.traces.times import session_times
from paretoken.slo import Slo
from paretoken.traffic.sessions import sessions_between
from paretoken.traffic.traffic import HOUR_S, Traffic

MOST_RAISED = 2
"""The search for enough replicas ends at this multiple of the fleet."""


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


def check_sessions(
    fleet: SizedFleet,
    by_hour: Sequence[int],
    traffic: Traffic,
    slos: Sequence[Slo],
    catalog: Catalog,
    *,
    prefix_cache: bool = True,
) -> SessionCheck | None:
    """The replay of a fleet with its replicas by hour; None without sessions that wait, and of two pools."""
    worker = fleet.replica.server
    if traffic.graphs is None or not isinstance(worker, Worker):
        return None
    traffic = servable(fleet.replica, traffic, MOST_REFUSED)
    hour = _busiest(traffic)
    policy = cache_policy(fleet.candidate.deployment.engine, catalog)
    replays = SessionReplays(
        replica=fleet.replica,
        worker=worker,
        traffic=traffic,
        slos=tuple(slos),
        cache=CacheOptions(policy=policy) if prefix_cache else None,
    )
    if not sessions_between(traffic, max((hour - 1) * HOUR_S, 0.0), (hour + 1) * HOUR_S):
        return None
    replicas = by_hour[hour]

    def replayed(n: int) -> HourReplay:
        return replays.between(hour * HOUR_S, (hour + 1) * HOUR_S, n)

    first = replayed(replicas)
    needed = _needed(lambda n: replayed(n).meets(slos), replicas, met=first.meets(slos))
    return _check(first, hour, replicas, slos, needed)


def _busiest(traffic: Traffic) -> int:
    tokens = traffic.input_tokens + traffic.output_tokens
    return int(np.argmax(np.bincount(traffic.hour_of(), tokens, traffic.hours)))


def _check(replay: HourReplay, hour: int, replicas: int, slos: Sequence[Slo], needed: int | None) -> SessionCheck:
    """The figures of the calls due in the hour, and of the sessions that begin in it."""
    run, inside, times = replay.run, replay.inside, session_times(replay.run, replay.load)
    begun = times.session_s[times.begin_s >= replay.start_s]
    seconds = np.quantile(begun if len(begun) else times.session_s, (0.5, 0.99)).tolist()
    return SessionCheck(
        hour=hour,
        replicas=replicas,
        share=replay.share,
        sessions=len(begun),
        calls=int(inside.sum()),
        hit_share=float(run.cached_tokens[inside].sum() / max(int(run.input_tokens[inside].sum()), 1)),
        session_s=(seconds[0], seconds[1]),
        ratios=ratios(replay.latencies.figures(), slos),
        needed=needed,
    )


def _needed(meets_with: Callable[[int], bool], replicas: int, *, met: bool) -> int | None:
    """The fewest replicas from `replicas` on that meet the limits, up to `MOST_RAISED` times as many; by bisection."""
    low, high = replicas, replicas * MOST_RAISED
    if met:
        return replicas
    if not meets_with(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets_with(middle) else (middle, high)
    return high
