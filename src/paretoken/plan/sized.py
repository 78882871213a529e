"""One candidate sized for a traffic: replica, load curve, replicas by hour, and the fleets that follow the day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.plan.autoscale import StaffedFleet, by_hour, foresight, reactive, whole_fixed, without_one
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.fleet_size import FleetSize
from paretoken.plan.hours import WHOLE, FleetSizer
from paretoken.plan.latencies import meets
from paretoken.plan.load_curve import LoadCurve, load_curve
from paretoken.plan.replica import Replica, replica_of, servable
from paretoken.plan.routing import SESSION
from paretoken.plan.sample import hour_rates_s, traffic_sample
from paretoken.plan.session_replay import SessionReplays
from paretoken.plan.unmet import nearest_met, why_unmet
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.router import LEAST
from paretoken.predict.traces.server import cache_policy
from paretoken.slo import Slo
from paretoken.traffic.as_served import in_period, times_as_served
from paretoken.traffic.reuse import reuse
from paretoken.traffic.traffic import HOUR_S, Ints, Traffic

Replayed = Literal["sampled hours", "busiest hour", "whole period"]
"""What of the traffic a fleet is checked with: a part of the busiest hours, all of them, or every hour."""
BUDGETS: dict[Replayed, int] = {"sampled hours": 6_000, "busiest hour": 60_000}
"""Requests that a check replays, of few replicas of a large fleet: of a part of the busiest hour, or all of it."""
MOST_REFUSED = 0.001
"""Share of the requests that may be too long for a replica, which refuses them."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SizingJob:
    """What `size_fleet` needs for one candidate.

    The prefix cache of a replica has what its running requests leave of the KV cache, and sessions stay at their
    replica, unless `prefix_cache` is False.
    """

    candidate: FleetCandidate
    traffic: Traffic
    slos: tuple[Slo, ...]
    spares: int
    cold_start_s: float
    calibration: Calibration
    catalog: Catalog
    replayed: Replayed = "sampled hours"
    prefix_cache: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedDay:
    """A fleet over the period: GPU-hours, replicas rented on average by hour, and the largest ratio of a limit."""

    gpu_hours: float
    rented: tuple[float, ...]
    worst: float
    replayed: bool


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SizedFleet:
    """A candidate with its fleets, over the period of the traffic.

    `fixed` has the replicas of the busiest hour all the time, `scheduled` those of each hour, started early by the cold
    start, both with spares. `autoscaled` reacts to the load; None unless the whole period was replayed.
    `foresight_gpu_hours` is the least that any autoscaler rents. `one_gone` is the largest ratio of a limit in the
    busiest hours with one replica less than the fleet and its spares. `hit_share` is the share of
    input tokens in the prefix cache, None where the traffic shares no prefixes. `served` counts the requests that fit.
    `replayed` is as in the job, or whole hours where they are small, or no size meets the limits in their busiest part.
    """

    candidate: FleetCandidate
    replica: Replica
    curve: LoadCurve
    size: FleetSize
    fixed: FollowedDay
    scheduled: FollowedDay
    autoscaled: FollowedDay | None
    foresight_gpu_hours: float
    one_gone: float
    hit_share: float | None
    replayed: Replayed
    span_s: float
    served: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsized:
    """A candidate that meets the SLO with no number of replicas, and why; `nearest` is the closest SLO it meets."""

    candidate: FleetCandidate
    reason: str
    nearest: str | None = None


def size_fleet(job: SizingJob) -> SizedFleet | Unsized:
    """Size one candidate."""
    try:
        replica = replica_of(job.candidate, job.traffic, calibration=job.calibration, catalog=job.catalog)
        traffic = servable(replica, job.traffic, MOST_REFUSED)
        if traffic.graphs is not None and isinstance(replica.server, Worker):
            return _by_sessions(job, replica, replica.server, traffic)
        curve = load_curve(replica, traffic_sample(traffic), job.slos)
        if unmet := curve.unmet(job.slos):
            return Unsized(job.candidate, why_unmet(unmet), nearest_met(job.slos, unmet))
        return _sized(job, replica, traffic, curve)
    except BadConfig as e:
        return Unsized(job.candidate, str(e))


def _by_sessions(job: SizingJob, replica: Replica, worker: Worker, traffic: Traffic) -> SizedFleet | Unsized:
    """The size by replays in which each turn follows its answer, and the caches hold what memory lets them hold."""
    policy = cache_policy(job.candidate.deployment.engine, job.catalog)
    cache = CacheOptions(policy=policy) if job.prefix_cache else None
    replays = SessionReplays(replica=replica, worker=worker, traffic=traffic, slos=job.slos, cache=cache)
    curve = replays.curve()
    if not curve.points:
        raise BadConfig("no session of the traffic fits whole; use more GPUs in a replica")
    if unmet := curve.unmet(job.slos):
        return Unsized(job.candidate, why_unmet(unmet), nearest_met(job.slos, unmet))
    best = next((p for p in reversed(curve.points) if meets(p.figures, job.slos)), curve.points[0])
    times_s = times_as_served(traffic, best.figures["ttft", "mean"], best.figures.get(("tpot", "mean"), 0.0))
    served, rows = in_period(traffic, times_s)
    cached = _cached_tokens(job, replica, curve) if job.prefix_cache else None
    cached = None if cached is None else cached[rows]
    lead_s = float(max((times_s - traffic.time_s).max(), 0.0)) + HOUR_S
    sizer = FleetSizer(
        replica=replica,
        traffic=served,
        slos=job.slos,
        curve=curve,
        sample=traffic_sample(served, cached),
        router=LEAST if cached is None else SESSION,
        cached_tokens=cached,
        played=replace(replays, lead_s=lead_s).between,
        whole_hours=True,
    )
    whole = job.replayed == "whole period"
    size = sizer.size(every_hour=whole)
    return _fleet(job, sizer, size, "whole period" if whole else "busiest hour", traffic)


def _sized(job: SizingJob, replica: Replica, traffic: Traffic, curve: LoadCurve) -> SizedFleet:
    sample, uncached = traffic_sample(traffic), curve
    cached = _cached_tokens(job, replica, uncached) if job.prefix_cache else None
    if cached is not None:
        sample = traffic_sample(traffic, cached)
        curve = load_curve(replica, sample, job.slos)
    sizer = FleetSizer(
        replica=replica,
        traffic=traffic,
        slos=job.slos,
        curve=curve,
        sample=sample,
        router=LEAST if cached is None else SESSION,
        cached_tokens=cached,
        budget=BUDGETS.get(job.replayed, WHOLE),
        whole_hours=job.replayed == "busiest hour",
    )
    whole = job.replayed == "whole period"
    try:
        size = sizer.size(every_hour=whole)
    except BadConfig:
        if job.replayed != "sampled hours":
            raise
        # a burst alone may exceed what the hours around it make up for
        return _sized(replace(job, replayed="busiest hour"), replica, traffic, uncached)
    how = job.replayed if whole or size.sampled else "busiest hour"
    return _fleet(job, sizer, size, how, traffic)


def _fleet(job: SizingJob, sizer: FleetSizer, size: FleetSize, how: Replayed, traffic: Traffic) -> SizedFleet:
    """The fleets of a size; `traffic` is what they serve of the job's."""
    fixed, scheduled, replica, cached = (
        _fixed(job, sizer, size),
        _scheduled(job, sizer, size),
        sizer.replica,
        sizer.cached_tokens,
    )
    least = min(foresight(sizer, size).replica_s(traffic.span_s) / HOUR_S * replica.gpus, scheduled.gpu_hours)
    return SizedFleet(
        candidate=job.candidate,
        replica=replica,
        curve=sizer.curve,
        size=size,
        fixed=fixed,
        scheduled=scheduled,
        autoscaled=_autoscaled(job, sizer, size) if how == "whole period" else None,
        foresight_gpu_hours=least,
        one_gone=max(without_one(sizer, size, spares=job.spares).values(), default=0.0),
        hit_share=None if cached is None else float(cached.sum() / max(int(sizer.traffic.input_tokens.sum()), 1)),
        replayed=how,
        span_s=traffic.span_s,
        served=len(traffic),
        notes=traffic.notes[len(job.traffic.notes) :],
    )


def _cached_tokens(job: SizingJob, replica: Replica, curve: LoadCurve) -> Ints | None:
    """Input tokens of each request in the prefix cache of its replica, for a fleet sized without a prefix cache.

    Where the traffic has no prompt blocks, all requests have the hit share that its server counted, if any.
    """
    traffic = job.traffic
    capacity_s = curve.capacity_s(job.slos) or curve.limit_s
    replicas = max(ceil(hour_rates_s(traffic).max() / capacity_s), 1) if capacity_s else 1
    fitting = replica.fits(traffic.input_tokens, traffic.output_tokens)
    of_replicas = reuse(traffic, replicas=replicas)
    if of_replicas is None:
        counted = traffic.hit_share or 0.0
        return (traffic.input_tokens * counted).astype(np.int64)[fitting] if counted else None
    running = curve.batch_at(capacity_s) * float((traffic.input_tokens + traffic.output_tokens / 2).mean())
    cached = of_replicas.cached_tokens(max(replica.kv_tokens - running, 0.0))
    return cached[fitting]


def _fixed(job: SizingJob, sizer: FleetSizer, size: FleetSize) -> FollowedDay:
    replicas = size.replicas + job.spares
    if job.replayed == "whole period":
        return _followed(whole_fixed(sizer, size, spares=job.spares))
    hours = sizer.traffic.span_s / HOUR_S
    gpu_hours = replicas * sizer.replica.gpus * hours
    return FollowedDay(
        gpu_hours=gpu_hours, rented=(float(replicas),) * len(size.hours), worst=size.worst.worst, replayed=False
    )


def _scheduled(job: SizingJob, sizer: FleetSizer, size: FleetSize) -> FollowedDay:
    if job.replayed == "whole period":
        return _followed(by_hour(sizer, size, cold_start_s=job.cold_start_s, spares=job.spares))
    span_s = sizer.traffic.span_s
    seconds = size.schedule.early(job.cold_start_s).replica_s(span_s) + job.spares * span_s
    rented = tuple(float(n + job.spares) for n in size.hours)
    gpu_hours = seconds / HOUR_S * sizer.replica.gpus
    return FollowedDay(gpu_hours=gpu_hours, rented=rented, worst=size.worst.worst, replayed=False)


def _autoscaled(job: SizingJob, sizer: FleetSizer, size: FleetSize) -> FollowedDay:
    return _followed(reactive(sizer, size, cold_start_s=job.cold_start_s, spares=job.spares))


def _followed(fleet: StaffedFleet) -> FollowedDay:
    return FollowedDay(
        gpu_hours=fleet.gpu_hours, rented=tuple(fleet.run.rented().tolist()), worst=fleet.worst, replayed=True
    )
