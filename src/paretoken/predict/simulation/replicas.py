"""Replicas of one server behind a router, each with its own queue, batch and prefix cache, simulated together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from paretoken.errors import BadConfig
from paretoken.predict.simulation.cache.engine import CachingEngine
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.events import EngineEvents
from paretoken.predict.simulation.feed import feed_of
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.requests import RequestLog, SimulatedLengths
from paretoken.predict.simulation.result import SimulationResult, simulation_result
from paretoken.predict.simulation.router import PREFIX, ROUTING, PrefixAffinity, PrefixRouter, Router
from paretoken.predict.simulation.run import (
    PLAIN,
    ServingOptions,
    before_queue_s,
    check_capacity,
    request_lengths,
    source_tree,
    uncached_lengths,
)
from paretoken.predict.simulation.sources import RequestSource

Routing = Literal["round-robin", "least", "prefix"]
AFFINITY = PrefixAffinity()


def simulate_replicas(
    workers: Sequence[Worker],
    source: RequestSource,
    serving: ServingOptions = PLAIN,
    cache: CacheOptions | None = None,
    routing: Routing = "round-robin",
    affinity: PrefixAffinity = AFFINITY,
) -> SimulationResult:
    """Serve every request of the source to its end. Deterministic; `engine` of the result is the replica.

    A request is routed when it comes to the scheduler's queue: to each replica in turn, to the one with the `least`
    requests without a whole answer, the first of equals, or by the longest cached `prefix` (see `PrefixAffinity`).
    Raises BadConfig where a request is larger than the KV cache of a replica.
    """
    if not workers:
        raise BadConfig("a server has no replicas; it needs 1 or more")
    if routing not in ROUTING:
        raise BadConfig(f"routing is {routing!r}; it must be one of {', '.join(ROUTING)}")
    lengths = request_lengths(source, serving) if cache is None else uncached_lengths(source, serving)
    for worker in workers:
        check_capacity(worker.limits, lengths, serving)
    sizes = {worker.limits.block_tokens for worker in workers} if cache else set()
    trees = {size: source_tree(source, size, lengths) for size in sizes}
    log = RequestLog(len(lengths.inputs))
    before_s = before_queue_s(workers[0].step_time, workers[0].limits, lengths, serving)
    feed = feed_of(source, before_s, lambda arrival: simulator.put(arrival[1], arrival[0]))
    router = PrefixRouter(len(workers), affinity) if routing == PREFIX else Router(len(workers), routing)
    simulator = ReplicasSimulator(lengths, feed.ended, router)
    for worker in workers:
        common = (worker.step_time, worker.limits, lengths, serving.acceptance, log, simulator.ended)
        if cache is None:
            simulator.engines.append(EngineSimulator(*common))
        else:
            tree = trees[worker.limits.block_tokens]
            simulator.engines.append(CachingEngine(*common, options=cache, tree=tree))
    feed.open()
    while simulator.events:
        simulator.step()
    return simulation_result(source, lengths, feed, log, tuple(simulator.engines), engine=simulator.replica)


class ReplicasSimulator(EngineEvents):
    """The `engines`, one for each replica, which the caller adds, and their router.

    `replica` has the replica of each request so far."""

    engines: list[EngineSimulator]

    def __init__(self, lengths: SimulatedLengths, on_finish: Callable[[int, float], None], router: Router) -> None:
        super().__init__()
        self.engines = []
        self.lengths, self.on_finish, self.router = lengths, on_finish, router
        self.replica = [0] * len(lengths.inputs)

    def arrive(self, request: int) -> None:
        """A request is at the router."""
        self.replica[request] = index = self._choose(request)
        engine = self.engines[index]
        planned_s = engine.ends_s
        engine.put(request, self.clock_s)
        self.reschedule(index, planned_s)

    def _choose(self, request: int) -> int:
        if not isinstance(self.router, PrefixRouter):
            return self.router.choose(1)
        cached = [cached_prefix_tokens(engine, request) for engine in self.engines]
        return self.router.choose_by_prefix(self.lengths.inputs[request], cached)

    def ended(self, request: int, at_s: float) -> None:
        """A request has its whole answer."""
        self.router.remove(self.replica[request], 1)
        self.on_finish(request, at_s)


def cached_prefix_tokens(engine: EngineSimulator, request: int) -> int:
    """The tokens of a prompt's prefix that are in the cache of an engine now, in full blocks of any tier."""
    if not isinstance(engine, CachingEngine):
        return 0
    block_tokens, cache, leaf = engine.limits.block_tokens, engine.cache, engine.leaf[request]
    most = (engine.inputs[request] - 1) // block_tokens
    cache.gpu.trim(engine.limits.kv_blocks - engine.used)
    depth = cache.gpu.lookup(leaf, most)
    return max([depth, *cache.reach(leaf, depth, most)]) * block_tokens
