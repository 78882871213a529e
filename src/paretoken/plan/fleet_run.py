"""What a replayed fleet did: the requests, the replicas, and means by hour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np

from paretoken.plan.latencies import Latencies, needs_itl
from paretoken.predict.simulation.result import SimulationResult, Timeline
from paretoken.slo import Slo
from paretoken.traffic.traffic import HOUR_S, Floats, Ints


@dataclass(slots=True)
class ReplicaTerm:
    """When a replica is rented, s: it takes requests from `opens_s` to `closes_s` and is paid until `ends_s`."""

    starts_s: float
    opens_s: float
    closes_s: float = inf
    ends_s: float = inf


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FleetRun:
    """What became of every request, in the order of the traffic, and of every replica.

    `replica[i]` is the index in `terms` of the one that served request i. Its engines in `run.engines` are
    `engines_per_replica` from `replica[i] * engines_per_replica` on, of replicas that ever served.
    """

    run: SimulationResult
    replica: Ints
    terms: tuple[ReplicaTerm, ...]
    gpus_per_replica: int
    engines_per_replica: int
    span_s: float
    slowdown: float = 1.0

    @property
    def gpu_hours(self) -> float:
        """GPU-hours rented, with cold starts and draining."""
        return self.gpus_per_replica * sum(t.ends_s - t.starts_s for t in self.terms) / HOUR_S

    @property
    def hours(self) -> int:
        return max(int(np.ceil(self.span_s / HOUR_S - 1e-9)), 1)

    @property
    def requests_by_replica(self) -> Ints:
        """Requests that each replica served, shape (replicas,)."""
        return np.bincount(self.replica, minlength=len(self.terms))

    def latencies(self, start_s: float = 0.0, stop_s: float = inf, *, slos: tuple[Slo, ...] = ()) -> Latencies:
        """Those of the requests that came from `start_s` to before `stop_s`; ITL only where a limit is on it."""
        due = self.run.due_s
        return Latencies.of(self.run, (due >= start_s) & (due < stop_s), itl=needs_itl(slos))

    def rented(self) -> Floats:
        """Mean number of rented replicas by hour."""
        return self._by_hour([(t.starts_s, t.ends_s) for t in self.terms])

    def serving(self) -> Floats:
        """Mean number of replicas that take requests by hour."""
        return self._by_hour([(t.opens_s, t.closes_s) for t in self.terms])

    def in_service(self) -> Floats:
        """Mean number of requests between their first and last token by hour."""
        return self._by_hour(np.column_stack([self.run.first_s, self.run.last_s]))

    def busy(self) -> Floats:
        """Share of the time in which the engines of serving replicas compute, by hour."""
        edges = np.arange(self.hours + 1) * HOUR_S
        total = np.zeros(self.hours)
        for engine in self.run.engines:
            t = Timeline.of(engine)
            spans = (t.first_s * np.maximum(t.moves, 1) + t.more_s * (t.moves * (t.moves - 1) // 2)) * self.slowdown
            starts = t.start_s * self.slowdown
            at = np.column_stack([starts, starts + spans]).ravel()
            done = np.repeat(np.cumsum(spans), 2)
            done[::2] -= spans
            total += np.diff(np.interp(edges, at, done)) if len(at) else 0.0
        open_s = self.serving() * self._lengths_s() * self.engines_per_replica
        return np.divide(total, open_s, out=np.zeros_like(total), where=open_s > 0)

    def _lengths_s(self) -> Floats:
        starts = np.arange(self.hours) * HOUR_S
        lengths: Floats = np.minimum(starts + HOUR_S, self.span_s) - starts
        return lengths

    def _by_hour(self, spans: list[tuple[float, float]] | Floats) -> Floats:
        """Spans that are open, on average over each hour; shape (n, 2) in, (hours,) out."""
        start, stop = np.asarray(spans, dtype=float).reshape(-1, 2).T
        edges = np.append(np.arange(self.hours) * HOUR_S, self.span_s)
        open_s = [
            np.clip(np.minimum(stop, b) - np.maximum(start, a), 0, None).sum() for a, b in pairwise(edges.tolist())
        ]
        means: Floats = np.array(open_s) / self._lengths_s()
        return means
