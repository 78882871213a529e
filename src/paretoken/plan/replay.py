"""A whole fleet replayed: every request of a period through a router to the replicas that serve at its time.

Replicas are moved together from event to event. Before a request is routed at t, every step that ends before t has
ended. A replica that is added serves after its cold start; one that is removed gets no more requests and goes when its
last answer is complete. Those of the start serve at once.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

import numpy as np

from paretoken.plan.fleet_run import FleetRun, ReplicaTerm
from paretoken.plan.replica import Replica
from paretoken.plan.routing import FleetRouter
from paretoken.plan.staffing import FleetLoad, Staffing
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.pools import PoolsSimulator, Worker, check_pools
from paretoken.predict.simulation.requests import RequestLog
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.router import LEAST
from paretoken.predict.simulation.run import before_queue_s, check_capacity, request_lengths
from paretoken.predict.simulation.sources import OpenLoop
from paretoken.traffic.traffic import Floats, Ints, Traffic

DECIDES, OPENS = range(2)


def replay(
    replica: Replica,
    traffic: Traffic,
    staffing: Staffing,
    *,
    router: str = LEAST,
    cold_start_s: float = 0.0,
    cached_tokens: Ints | None = None,
) -> FleetRun:
    """Serve every request of the traffic to its end. Deterministic.

    `router` is one of `routing.FLEET_POLICIES`. `cached_tokens` are the input tokens of each request that the prefix
    cache of its replica holds. BadConfig where a request does not fit a replica.
    """
    return _FleetSimulation(replica, traffic, staffing, router, cold_start_s, cached_tokens).run()


class _FleetSimulation:
    """Replicas, router, and the heaps of their next events and of what changes the fleet."""

    def __init__(
        self,
        replica: Replica,
        traffic: Traffic,
        staffing: Staffing,
        router: str,
        cold_start_s: float,
        cached: Ints | None,
    ) -> None:
        self.replica, self.traffic, self.staffing = replica, traffic, staffing
        self.cold_s = cold_start_s
        source = OpenLoop(traffic.time_s, traffic.input_tokens, traffic.output_tokens, cached)
        self.due_s = source.due_s
        self.lengths = request_lengths(source, replica.serving)
        first = replica.first
        if isinstance(replica.server, Worker):
            check_capacity(replica.server.limits, self.lengths, replica.serving)
        else:
            check_pools(replica.server, self.lengths, replica.serving)
        self.before_s = before_queue_s(first.step_time, first.limits, self.lengths, replica.serving)
        n = len(traffic)
        self.prefill_log, self.log = RequestLog(n), RequestLog(n)
        self.router = FleetRouter(router)
        self.simulators: list[EngineSimulator | PoolsSimulator] = []
        self.terms: list[ReplicaTerm] = []
        self.opened: list[int] = []  # by simulator, the index of its term
        self.starting: list[int] = []  # indices of terms
        self.served_by = [0] * n
        self.outstanding = 0
        self.events: list[tuple[float, int]] = []  # when a simulator has something to do; stale where it is not then
        times = staffing.times(traffic.span_s)
        self.changes: list[tuple[float, int, int]] = [(t, DECIDES, 0) for t in times]
        heapify(self.changes)

    def run(self) -> FleetRun:
        sessions = self.traffic.session.tolist()
        for request, due_s in enumerate(self.due_s.tolist()):
            self._advance(due_s)
            self._route(request, due_s, sessions[request])
        self._advance(inf)
        return self._result()

    def _advance(self, until_s: float) -> None:
        """Handle all changes of the fleet up to a time, and all events of replicas before it."""
        changes = self.changes
        while changes and changes[0][0] <= until_s:
            at_s, kind, index = heappop(changes)
            self._step_to(at_s)
            if kind == DECIDES:
                self._decide(at_s)
            elif index in self.starting:
                self.starting.remove(index)
                self._open(index)
        self._step_to(until_s)

    def _step_to(self, until_s: float) -> None:
        events, simulators = self.events, self.simulators
        while events and events[0][0] < until_s:
            at_s, index = heappop(events)
            simulator = simulators[index]
            if simulator.next_s == at_s:
                simulator.step()
                if (next_s := simulator.next_s) < inf:
                    heappush(events, (next_s, index))

    def _route(self, request: int, due_s: float, session: int) -> None:
        self.served_by[request] = index = self.router.choose(session)
        self.outstanding += 1
        simulator = self.simulators[index]
        before_s = simulator.next_s
        simulator.put(request, due_s + self.before_s[request])
        if simulator.next_s != before_s:
            heappush(self.events, (simulator.next_s, index))

    def _ended(self, request: int, at_s: float) -> None:
        self.outstanding -= 1
        self.router.remove(self.served_by[request])

    # ---- the fleet

    def _decide(self, at_s: float) -> None:
        serving = self.router.serving
        load = FleetLoad(at_s, self.outstanding)
        more = max(self.staffing.replicas(load), 1) - len(serving) - len(self.starting)
        for _ in range(more):
            self._start(at_s, 0.0 if not self.terms or at_s == 0 else self.cold_s)
        for _ in range(-more):
            self._remove(at_s)

    def _start(self, at_s: float, cold_s: float) -> None:
        self.terms.append(ReplicaTerm(at_s, at_s + cold_s))
        index = len(self.terms) - 1
        if cold_s:
            self.starting.append(index)
            heappush(self.changes, (at_s + cold_s, OPENS, index))
        else:
            self._open(index)

    def _open(self, term: int) -> None:
        self.router.add()
        self.opened.append(term)
        self.simulators.append(self._simulator())

    def _remove(self, at_s: float) -> None:
        """Remove the latest that starts, else the latest that serves, but never the last one that serves."""
        if self.starting:
            term = self.terms[self.starting.pop()]
            term.opens_s = term.closes_s = term.ends_s = at_s
        elif len(self.router.serving) > 1:
            self.terms[self.opened[self.router.close_latest()]].closes_s = at_s

    def _simulator(self) -> EngineSimulator | PoolsSimulator:
        server, serving = self.replica.server, self.replica.serving
        if isinstance(server, Worker):
            return EngineSimulator(
                server.step_time, server.limits, self.lengths, serving.acceptance, self.log, self._ended
            )
        return PoolsSimulator(server, self.lengths, serving, self.prefill_log, self.log, self._ended)

    # ---- the outcome

    def _result(self) -> FleetRun:
        served = np.array(self.served_by, dtype=np.int64)
        pooled = not isinstance(self.replica.server, Worker)
        engines = tuple(e for s in self.simulators for e in (s.engines if isinstance(s, PoolsSimulator) else (s,)))
        per_replica = len(engines) // len(self.simulators)
        engine = served * per_replica
        if pooled:
            receiver = [s.receiver for s in self.simulators if isinstance(s, PoolsSimulator)]
            decodes = np.array([receiver[w][i] for i, w in enumerate(self.served_by)], dtype=np.int64)
            engine = engine + (per_replica - len(self.replica.decode_workers)) + decodes
        log = self.log
        run = SimulationResult(
            due_s=self.due_s,
            first_s=np.array(log.first),
            last_s=np.array(log.last),
            user=np.full(len(served), -1, dtype=np.int32),
            input_tokens=self.traffic.input_tokens,
            output_tokens=self.traffic.output_tokens,
            cached_tokens=np.array(self.lengths.cached, dtype=np.int64),
            preempted=np.array(log.preempted, dtype=np.int64),
            prefilled_s=np.array((self.prefill_log if pooled else log).first),
            engine=engine,
            engines=engines,
        )
        return FleetRun(
            run=run,
            replica=np.array(self.opened, dtype=np.int64)[served],
            terms=self._terms(served, run.last_s),
            gpus_per_replica=self.replica.gpus,
            span_s=self.traffic.span_s,
        )

    def _terms(self, served: Ints, last_s: Floats) -> tuple[ReplicaTerm, ...]:
        """The terms of the period: a replica that is not removed is rented to the end of the period."""
        idle_s = np.zeros(len(self.terms))
        np.maximum.at(idle_s, np.array(self.opened, dtype=np.int64)[served], last_s)
        span_s = self.traffic.span_s
        terms = []
        for t, idle in zip(self.terms, idle_s.tolist(), strict=True):
            ends_s = span_s if t.closes_s == inf else max(t.closes_s, idle)
            terms.append(ReplicaTerm(t.starts_s, t.opens_s, min(t.closes_s, span_s), ends_s))
        return tuple(terms)
