"""A prefill pool and a decode pool of several workers each, moved together from event to event.

A request goes to a prefill worker through a router. When its prompt is computed, it goes to a decode worker, which
reserves a place and blocks for it at the start of a step. Then its KV cache is sent. When the transfer ends, the first
token is out and the blocks of the prefill worker are free. The request decodes from the next step on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappush

from paretoken.errors import BadConfig
from paretoken.predict.simulation.engine import EngineSimulator
from paretoken.predict.simulation.events import TRANSFERRED, EngineEvents
from paretoken.predict.simulation.feed import feed_of
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.requests import RequestLog, SimulatedLengths
from paretoken.predict.simulation.result import SimulationResult, simulation_result
from paretoken.predict.simulation.router import LEAST, KvTransfer, Router, SenderLinks
from paretoken.predict.simulation.run import PLAIN, ServingOptions, before_queue_s, check_capacity, request_lengths
from paretoken.predict.simulation.sources import RequestSource
from paretoken.predict.steptime import StepTime


@dataclass(frozen=True, slots=True)
class Worker:
    """An engine of a pool: its step time and its scheduler's limits."""

    step_time: StepTime
    limits: SchedulerLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPools:
    """The workers of both pools, the links between them, and the policies of their routers (`router.POLICIES`).

    The load of a prefill worker is the prompt tokens sent to it that are not computed yet, that of a decode worker the
    sequences sent to it that have not ended.
    """

    prefill: Sequence[Worker]
    decode: Sequence[Worker]
    transfer: KvTransfer = KvTransfer()  # noqa: RUF009
    prefill_router: str = LEAST
    decode_router: str = LEAST


def simulate_pools(pools: WorkerPools, source: RequestSource, serving: ServingOptions = PLAIN) -> SimulationResult:
    """Serve every request of the source to its end. Deterministic.

    `engines` of the result are the prefill workers, then the decode workers. `serving` applies to both pools; its
    stages are those of the prefill workers. Raises BadConfig where a request is larger than the KV cache of a worker.
    """
    lengths = request_lengths(source, serving)
    check_pools(pools, lengths, serving)
    n = len(lengths.inputs)
    prefill_log, log = RequestLog(n), RequestLog(n)
    first = pools.prefill[0]
    before_s = before_queue_s(first.step_time, first.limits, lengths, serving)
    feed = feed_of(source, before_s, lambda arrival: simulator.put(arrival[1], arrival[0]))
    simulator = PoolsSimulator(pools, lengths, serving, prefill_log, log, feed.ended)
    feed.open()
    while simulator.events:
        simulator.step()
    engine = [len(simulator.prefill) + i for i in simulator.receiver]
    return simulation_result(source, lengths, feed, log, simulator.engines, prefill_log, engine)


def check_pools(pools: WorkerPools, lengths: SimulatedLengths, serving: ServingOptions) -> None:
    """Raise BadConfig unless every request alone fits into each worker."""
    if not (pools.prefill and pools.decode):
        raise BadConfig("a pool has no workers; each needs 1 or more")
    for worker in pools.decode:
        check_capacity(worker.limits, lengths, serving)
    room = min(worker.limits.most_prompt for worker in pools.prefill)
    longest = max(lengths.inputs, default=0)
    if longest > room:
        raise BadConfig(f"a prompt of {longest:,} tokens is above the prefill pool's KV cache of {room:,}")


class PoolsSimulator(EngineEvents):
    """The engines of both pools, prefill first, with their routers and links. `on_finish` is called with each end."""

    engines: tuple[EngineSimulator, ...]

    def __init__(
        self,
        pools: WorkerPools,
        lengths: SimulatedLengths,
        serving: ServingOptions,
        prefill_log: RequestLog,
        log: RequestLog,
        on_finish: Callable[[int, float], None],
    ) -> None:
        super().__init__()
        self.lengths, self.log, self.on_finish = lengths, log, on_finish
        n = len(lengths.inputs)
        prompts = SimulatedLengths(lengths.inputs, [1] * n, lengths.cached)
        self.prefill = [
            EngineSimulator(w.step_time, w.limits, prompts, Fraction(1), prefill_log, self._prefilled, keeps=True)
            for w in pools.prefill
        ]
        self.decode = [
            EngineSimulator(w.step_time, w.limits, lengths, serving.acceptance, log, self._ended, on_reserve=self._send)
            for w in pools.decode
        ]
        self.engines = (*self.prefill, *self.decode)
        self.links = [SenderLinks(pools.transfer) for _ in pools.prefill]
        self.prefill_router = Router(len(pools.prefill), pools.prefill_router)
        self.decode_router = Router(len(pools.decode), pools.decode_router)
        self.sender, self.receiver = [0] * n, [0] * n

    def arrive(self, request: int) -> None:
        """A request is at the router."""
        index = self.prefill_router.choose(self._prompt(request))
        self.sender[request] = index
        heappush(self.prefill[index].pending, (self.clock_s, request))
        self.wake(index)

    def _prefilled(self, request: int, at_s: float) -> None:
        self.prefill_router.remove(self.sender[request], self._prompt(request))
        self.receiver[request] = index = self.decode_router.choose(1)
        engine = self.decode[index]
        planned_s = engine.ends_s
        engine.offer(request, at_s)
        self.reschedule(len(self.prefill) + index, planned_s)

    def _send(self, request: int, at_s: float) -> None:
        """A decode worker has reserved its blocks."""
        arrives_s = self.links[self.sender[request]].send(self.lengths.inputs[request], at_s)
        heappush(self.events, (arrives_s, TRANSFERRED, request))

    def transferred(self, request: int) -> None:
        """The KV cache of a prompt is at its decode worker: its first token is out."""
        sender, receiver, at_s = self.sender[request], self.receiver[request], self.clock_s
        self.prefill[sender].release(request)
        self.wake(sender)
        log, engine = self.log, self.decode[receiver]
        log.first[request] = log.stint_s[request] = at_s
        planned_s = engine.ends_s
        engine.arrive(request, at_s)
        self.reschedule(len(self.prefill) + receiver, planned_s)
        if self.lengths.outputs[request] == 1:
            log.last[request] = at_s
            self._ended(request, at_s)

    def _ended(self, request: int, at_s: float) -> None:
        self.decode_router.remove(self.receiver[request], 1)
        self.on_finish(request, at_s)

    def _prompt(self, request: int) -> int:
        """Prompt tokens to compute."""
        return self.lengths.inputs[request] - self.lengths.cached[request]
