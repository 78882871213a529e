"""What a replayed fleet did: the requests, the replicas, and means by hour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np

from paretoken.plan.latencies import Latencies, needs_itl
from paretoken.predict.simulation.result import SimulationResult
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

    `replica[i]` is the index in `terms` of the one that served request i.
    """

    run: SimulationResult
    replica: Ints
    terms: tuple[ReplicaTerm, ...]
    gpus_per_replica: int
    span_s: float

    @property
    def gpu_hours(self) -> float:
        """GPU-hours rented, with cold starts and draining."""
        return self.gpus_per_replica * sum(t.ends_s - t.starts_s for t in self.terms) / HOUR_S

    @property
    def hours(self) -> int:
        return max(int(np.ceil(self.span_s / HOUR_S - 1e-9)), 1)

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

    def _lengths_s(self) -> Floats:
        starts = np.arange(self.hours) * HOUR_S
        lengths: Floats = np.minimum(starts + HOUR_S, self.span_s) - starts
        return lengths

    def _by_hour(self, spans: list[tuple[float, float]]) -> Floats:
        """How many of the spans (start s, end s) are open, on average over each hour; shape (hours,)."""
        start, stop = np.asarray(spans, dtype=float).reshape(-1, 2).T
        edges = np.append(np.arange(self.hours) * HOUR_S, self.span_s)
        open_s = [
            np.clip(np.minimum(stop, b) - np.maximum(start, a), 0, None).sum() for a, b in pairwise(edges.tolist())
        ]
        means: Floats = np.array(open_s) / self._lengths_s()
        return means
